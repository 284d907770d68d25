from django.apps import AppConfig


class OrchestrationConfig(AppConfig):
    """Runs, their log, engines, dialects and doorways."""

    name = "orchestration"
    verbose_name = "Runs"
