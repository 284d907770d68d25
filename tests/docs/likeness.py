"""Examples of a document beside what the server really says."""

from __future__ import annotations

from typing import Any


def assert_like(shown: Any, real: Any, where: str) -> None:
    """An ellipsis stands for any text, and 0 for any number."""
    if shown == "…":
        assert isinstance(real, str), where
        assert real, where
    elif shown == 0 and shown is not False:
        assert isinstance(real, int), where
    elif isinstance(shown, dict):
        assert list(shown) == list(real), where
        for name in shown:
            assert_like(shown[name], real[name], f"{where}.{name}")
    elif isinstance(shown, list):
        assert len(shown) == len(real), where
        for ours, theirs in zip(shown, real, strict=True):
            assert_like(ours, theirs, where)
    else:
        assert shown == real, where
