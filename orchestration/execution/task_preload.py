"""Imported by the fork server, so that tasks' processes begin with everything at hand."""

from __future__ import annotations

from importlib import import_module

import django

django.setup()
import_module("orchestration.execution.task_child")
