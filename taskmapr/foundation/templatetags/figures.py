"""`{% load figures %}`: numbers as people read them."""

from __future__ import annotations

from django import template

from taskmapr.foundation import figures

register = template.Library()
register.filter("duration", figures.duration_text)
register.filter("count", figures.count_text)
register.filter("bytes", figures.bytes_text)
register.filter("short_id", figures.short_id)


@register.filter
def words(text: object) -> str:
    """`timed_out` as people write it."""
    return str(text).replace("_", " ")
