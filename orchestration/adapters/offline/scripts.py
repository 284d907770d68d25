"""Scripted turns of the offline model, for tests and demonstrations.

A script is a list of turns, or an object {prompt: list of turns} (other prompts get the built-in
answers), or the path of a JSON file with either. A turn is a list of steps:

    {"text": "..."} or {"text": ["one ", "delta ", "each"]}     {"reasoning": ...} likewise
    {"call": "ui_navigate", "arguments": {...}, "id": "c1"}      {"delay_ms": 250}
    {"fail": "llm_unavailable"}                                  any code of a model failure
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from taskmapr.core.errors import ModelFailed, error_class

Step = Mapping[str, Any]


def scripted_turn(script: Any, prompt: str, turn: int) -> Sequence[Step] | None:
    """The steps for the turn-th (from 0) answer to a prompt; None when the script says nothing."""
    if isinstance(script, str):
        script = orjson.loads(Path(script).read_bytes())
    if isinstance(script, Mapping):
        script = script.get(prompt)
    if script is None:
        return None
    return script[turn] if turn < len(script) else [{"text": "Done."}]


def pieces_of(text: str | Sequence[str]) -> Sequence[str]:
    return [text] if isinstance(text, str) else text


def scripted_failure(code: str) -> ModelFailed:
    """Raises ValueError for a code that no model failure has."""
    cls = error_class(code)
    if cls is None or not issubclass(cls, ModelFailed):
        raise ValueError(f"{code!r} is not the code of a model failure")
    return cls()
