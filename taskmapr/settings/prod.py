"""Settings of a server that others reach."""

from taskmapr.settings.base import *  # noqa: F403

DEBUG = False
