from django.apps import AppConfig


class DemoEscConfig(AppConfig):
    """A make-believe site of an office that approves batches, for trying out the browser."""

    name = "taskmapr.demo.esc"
    label = "demo_esc"
    verbose_name = "Demo site ESC"
