"""Who of the staff may read what. Seeing a run is seeing what kind it is, how long it took and what
it cost; reading what people said in it, and what the model was told, are permissions of their own.
"""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest

#: Stands where the reader's permissions do not reach.
HIDDEN: Final = "(not yours to read)"


def may_read_words(request: HttpRequest) -> bool:
    """Prompts, answers, tool calls and pages: whatever came from people or went to them."""
    return bool(request.user.has_perm("orchestration.read_content"))


def may_read_instructions(request: HttpRequest) -> bool:
    """What the server composed for the model. It is never shown to anybody else."""
    return bool(request.user.has_perm("orchestration.read_instructions"))
