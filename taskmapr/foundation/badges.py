"""Small pieces of HTML that lists and pages share."""

from __future__ import annotations

from datetime import datetime

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from taskmapr.foundation.figures import NONE, short_id


def status_badge(status: str, label: str = "") -> SafeString:
    """The status as a word; its colour only helps (`parts.css`)."""
    return format_html(
        '<span class="tm-status" data-status="{}">{}</span>',
        status,
        label or status.replace("_", " "),
    )


def when(at: datetime | None) -> SafeString | str:
    """The time; `parts.js` makes it relative and says the exact one on hover."""
    if at is None:
        return NONE
    return format_html(
        '<time datetime="{}" data-tm-when>{}</time>',
        at.isoformat(),
        at.strftime("%Y-%m-%d %H:%M:%S"),
    )


def link(url: str, text: object) -> SafeString:
    return format_html('<a class="tm-link" href="{}">{}</a>', url, text)


def id_link(url: str, value: object) -> SafeString:
    """A shortened id in one line."""
    return format_html('<a class="tm-link tm-id" href="{}">{}</a>', url, short_id(value))


def two_lines(first: object, second: object, *, is_wide: bool = False) -> SafeString:
    """What something is, cut to the width of the cell; quietly below it, which one."""
    return format_html(
        '<span class="tm-two"{}><span>{}</span><span>{}</span></span>',
        mark_safe(" data-wide") if is_wide else "",
        first,
        second,
    )
