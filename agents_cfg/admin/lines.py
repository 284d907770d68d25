"""Fields that people fill line by line."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget


class LinesField(forms.CharField):
    """A list of texts, one per line; empty lines and spaces around mean nothing."""

    def __init__(self, *, rows: int = 3, help_text: str = "", **kwargs: Any) -> None:
        super().__init__(
            required=False,
            widget=UnfoldAdminTextareaWidget(attrs={"rows": rows}),
            help_text=f"{help_text} One per line.".strip(),
            **kwargs,
        )

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(self.line_of, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        if isinstance(value, list):
            return value
        return [self.item_of(line.strip()) for line in (value or "").splitlines() if line.strip()]

    def line_of(self, item: Any) -> str:
        return str(item)

    def item_of(self, line: str) -> Any:
        return line


class RoutesField(LinesField):
    """Pages of a site, {path, title}: a path and, after a space, its title."""

    def line_of(self, item: Any) -> str:
        if not isinstance(item, dict):
            return str(item)
        return f"{item.get('path', '')} {item.get('title', '')}".strip()

    def item_of(self, line: str) -> Any:
        path, _, title = line.partition(" ")
        return {"path": path, "title": title.strip()}
