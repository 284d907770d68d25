"""What failed with an MCP server, in words for people and without its secrets."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import httpx2
from mcp import MCPError
from mcp_types import METHOD_NOT_FOUND

from taskmapr.core.ports import ToolServerAddress

_LENGTH: Final = 300


def reason_of(error: BaseException, address: ToolServerAddress) -> str:
    """At most 300 characters. The SDK wraps what happened in groups: the innermost one counts."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    match error:
        case TimeoutError():
            text = f"no answer within {address.connect_timeout_s:g} s"
        case httpx2.HTTPStatusError():
            status = error.response.status_code
            text = f"HTTP {status} {error.response.reason_phrase}".strip()
        case httpx2.ConnectError():
            text = f"connection failed: {error}"
        case FileNotFoundError() if address.transport == "stdio":
            text = f"there is no program {address.command}"
        case MCPError() if error.code == METHOD_NOT_FOUND and str(error) == "Not Found":
            text = "HTTP 404 Not Found"
        case _:
            text = str(error) or type(error).__name__
    return " ".join(text.split())[:_LENGTH]


def without_secrets(text: str, address: ToolServerAddress) -> str:
    """The text with every secret of the address replaced."""
    parts = urlsplit(address.url)
    values = (*address.headers.values(), *address.env.values(), parts.query, parts.password or "")
    for value in values:
        # "Bearer abc" may come back as "abc".
        for secret in {value, value.rpartition(" ")[2]}:
            if len(secret) >= 4:
                text = text.replace(secret, "[redacted]")
    return text
