"""The storey under every app: problem details, API and admin bases, crypto, telemetry."""

from django.apps import AppConfig


class FoundationConfig(AppConfig):
    name = "taskmapr.foundation"
    label = "foundation"
    verbose_name = "Foundation"
