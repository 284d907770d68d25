"""JSON in and out of the API, by orjson.

Named in REST framework's settings, so nothing here may import `rest_framework.views`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any, Final

import orjson
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from taskmapr.core.errors import InvalidJson

#: Objects and lists within each other. More could be read here, but not be written again.
LEVELS_MOST: Final = 100


class JsonParser(BaseParser):
    """Strict JSON of a UTF-8 body. No body at all is an empty object."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        body = stream.read()
        try:
            content = orjson.loads(body) if body.strip() else {}
        except orjson.JSONDecodeError as error:
            raise InvalidJson(
                f"The body is not valid JSON: line {error.lineno}, column {error.colno}."
            ) from error
        if body.count(b"{") + body.count(b"[") > LEVELS_MOST and _is_too_deep(content):
            raise InvalidJson(f"The body has more than {LEVELS_MOST} levels of objects and lists.")
        return content


def _is_too_deep(content: Any) -> bool:
    level = [content]
    for _ in range(LEVELS_MOST):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(outer: dict[str, Any] | list[Any]) -> list[Any]:
    members = outer.values() if isinstance(outer, dict) else outer
    return [member for member in members if isinstance(member, dict | list)]


class JsonRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None  # JSON is UTF-8 by definition

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        return b"" if data is None else orjson.dumps(data, default=str, option=orjson.OPT_UTC_Z)


class FirstRenderer(BaseContentNegotiation):
    """Each path answers one kind of content, whatever the Accept header says."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        kind = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == kind), None)

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> Any:
        return renderers[0], renderers[0].media_type
