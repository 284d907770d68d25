"""The rules that every stream of overlay frames obeys, wherever it was cut."""

from __future__ import annotations

from typing import Any

from orchestration.dialects.base import Frame


def check(frames: list[Frame], *, ended: bool) -> None:
    """Raises AssertionError when a rule is broken. `ended`: the last frame must be `complete`."""
    rows = [frame.data for frame in frames]
    kinds = [row["type"] for row in rows]
    assert all(row["type"] == row["event"] for row in rows)
    _check_reasoning(rows)
    _check_calls(rows)
    assert kinds.count("error") <= 1
    if frames and frames[0].data["seq"] == 1:
        assert kinds[0] == "metadata"
    if ended:
        assert kinds[-2:] == ["metadata", "complete"]
        assert kinds.count("complete") == 1
        assert "tools_used" in rows[-2]["data"]
    for row in rows:
        if row["type"] == "text_delta":
            assert row["data"]["delta"] == row["data"]["text"] != ""


def _check_reasoning(rows: list[dict[str, Any]]) -> None:
    said: list[str] | None = None
    for row in rows:
        kind, data = row["type"], row["data"]
        if kind == "reasoning_start":
            assert said is None
            said = []
        elif kind == "reasoning_delta":
            assert said is not None
            assert data["delta"] == data["text"] == data["content"]
            said.append(data["delta"])
        elif kind == "reasoning_done":
            assert said is not None
            assert data["content"] == data["text"] == "".join(said)
            said = None
        elif kind in {"text_delta", "error", "complete"}:
            assert said is None
    assert said is None


def _check_calls(rows: list[dict[str, Any]]) -> None:
    open_calls: set[str] = set()
    for row in rows:
        data = row["data"]
        if row["type"] == "tool_call_started":
            assert data["name"] == data["tool_name"]
            open_calls.add(data["call_id"])
        elif row["type"] == "tool_call_completed":
            open_calls.remove(data["call_id"])
        elif row["type"] in {"error", "complete"}:
            assert not open_calls
    assert not open_calls
