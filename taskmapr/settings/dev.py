"""Settings of a developer's machine and of a first look: embedded services, debug pages."""

from taskmapr.settings.base import *  # noqa: F403
