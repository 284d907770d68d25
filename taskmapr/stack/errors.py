"""What can go wrong while the embedded stack starts. Each message is one line for a person."""

from __future__ import annotations


class StackFailed(RuntimeError):
    """The stack cannot start; the message says why and what to do."""
