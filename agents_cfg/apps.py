from django.apps import AppConfig


class AgentsCfgConfig(AppConfig):
    """Profiles and models: what runs are configured with."""

    name = "agents_cfg"
    verbose_name = "Configuration"
