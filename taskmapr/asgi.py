"""The web process: what uvicorn, granian or daphne serve."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

from taskmapr.foundation.bodies import body_limited

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskmapr.settings")

application = body_limited(get_asgi_application())

from taskmapr.stack.checks import refuse_unsafe_start  # noqa: E402 - after Django's set-up

refuse_unsafe_start()
