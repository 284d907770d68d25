"""Tool results of MCP servers as JSON that a model can read."""

from __future__ import annotations

from typing import Any, Final

import mcp_types as types
import orjson

MAX_BYTES: Final = 131_072
MAX_WHOLE_BYTES: Final = 1_048_576
CUT: Final = "… (cut)"


def result_json(result: types.CallToolResult) -> Any:
    """What the tool said: its structured result if it gave one, else its text, else what it showed.

    A text that is a JSON object or list is read as such. Pictures, sounds and files are described,
    not carried. More than MAX_BYTES is cut and becomes text.
    """
    if result.structured_content is not None:
        return _bounded(result.structured_content)
    parts = [_part(block) for block in result.content]
    if len(parts) == 1:
        return _bounded(parts[0] if isinstance(parts[0], dict) else _read(parts[0]))
    if all(isinstance(part, str) for part in parts):
        return _bounded("\n".join(parts))
    return _bounded(parts)


def result_whole(result: types.CallToolResult) -> dict[str, Any]:
    """{content, structured, is_error} as the protocol spells them. What is too large is left out
    and said so."""
    content = [
        block.model_dump(mode="json", by_alias=True, exclude_none=True) for block in result.content
    ]
    whole = {"content": content, "structured": result.structured_content, "is_error": False}
    if len(orjson.dumps(whole, default=str)) <= MAX_WHOLE_BYTES:
        return whole
    note = {"type": "text", "text": f"The result has more than {MAX_WHOLE_BYTES >> 20} MiB {CUT}"}
    return {**whole, "content": [note], "structured": None}


def error_text(result: types.CallToolResult) -> str:
    """What a tool says about its failure, at most 2,000 characters."""
    texts = [block.text for block in result.content if isinstance(block, types.TextContent)]
    return "\n".join(texts).strip()[:2000] or "The tool failed and did not say why."


def _part(block: types.ContentBlock) -> Any:
    match block:
        case types.TextContent():
            return block.text
        case types.ImageContent() | types.AudioContent():
            return {"type": block.type, **_blob(block.mime_type, block.data)}
        case types.ResourceLink():
            return {"type": "resource_link", "uri": str(block.uri), "name": block.name}
        case types.EmbeddedResource(resource=types.TextResourceContents() as resource):
            return {"type": "resource", "uri": str(resource.uri), "text": resource.text}
        case types.EmbeddedResource(resource=types.BlobResourceContents() as resource):
            uri = str(resource.uri)
            return {"type": "resource", "uri": uri, **_blob(resource.mime_type, resource.blob)}


def _blob(mime_type: str | None, base64: str) -> dict[str, Any]:
    return {"mime_type": mime_type, "size_bytes": len(base64) * 3 // 4, "content": "left out"}


def _read(text: str) -> Any:
    if text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _bounded(value: Any) -> Any:
    if isinstance(value, str):
        encoded = value.encode(errors="replace")
        return value if len(encoded) <= MAX_BYTES else _cut(encoded)
    encoded = orjson.dumps(value, default=str)
    return value if len(encoded) <= MAX_BYTES else _cut(encoded)


def _cut(encoded: bytes) -> str:
    return encoded[:MAX_BYTES].decode(errors="ignore") + CUT
