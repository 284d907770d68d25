"""An MCP server of the official SDK for tests: `python -m tests.mcpserver <transport> [port]`.

Flags: --stateless (HTTP without sessions), --old (knows revisions up to 2025-11-25 only),
--notes=<file> (where add_note writes).
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from taskmapr.foundation.collector import collector_spare

collector_spare()  # importing the SDK makes half a million objects that stay

import anyio  # noqa: E402
import uvicorn  # noqa: E402
from mcp.server import MCPServer  # noqa: E402
from mcp.server.mcpserver import Context, Image  # noqa: E402
from mcp.server.mcpserver.exceptions import ToolError  # noqa: E402
from mcp_types import ToolAnnotations  # noqa: E402

server = MCPServer("test-tools", version="1.2.3", log_level="CRITICAL")
READS = ToolAnnotations(read_only_hint=True)
WRITES = ToolAnnotations(read_only_hint=False, destructive_hint=False)
DESTROYS = ToolAnnotations(read_only_hint=False, destructive_hint=True)
FLAGS = dict(flag.removeprefix("--").partition("=")[::2] for flag in sys.argv if flag[:2] == "--")


@server.tool(annotations=READS, structured_output=False)
def echo(text: str) -> str:
    """Say the text again."""
    return text


@server.tool(annotations=READS)
def whoami(user_id: str, greeting: str = "hello") -> dict[str, str]:
    """Greet the user."""
    return {"user": user_id, "greeting": greeting}


@server.tool(annotations=READS, structured_output=False)
async def slow(seconds: float) -> str:
    """Answer after a while, or stop when told."""
    await anyio.sleep(seconds)
    return "at last"


@server.tool(annotations=READS, structured_output=False)
async def stubborn(seconds: float) -> str:
    """Answer after a while, whatever anybody says."""
    with anyio.CancelScope(shield=True):
        await anyio.sleep(seconds)
    return "at last"


@server.tool(annotations=READS, structured_output=False)
async def count(to: int, ctx: Context[Any]) -> str:
    """Count, and tell how far it is."""
    for number in range(1, to + 1):
        await ctx.report_progress(number, to, f"{number} of {to}")
    return "counted"


@server.tool(annotations=READS)
def fail(reason: str) -> str:
    """Fail."""
    raise ToolError(reason)


@server.tool(annotations=READS, structured_output=False)
def picture() -> list[Any]:
    """Show a picture."""
    return ["This is it:", Image(data=b"x" * 3000, format="png")]


@server.tool(annotations=WRITES, structured_output=False)
def add_note(text: str) -> str:
    """Write a note."""
    with Path(FLAGS["notes"]).open("a") as notes:
        notes.write(text + "\n")
    return "noted"


@server.tool(annotations=WRITES, structured_output=False)
async def note_and_hang(text: str) -> str:
    """Write a note and never say so."""
    add_note(text)
    await anyio.sleep(3600)
    return "noted"


@server.tool(annotations=DESTROYS, structured_output=False)
def wipe() -> str:
    """Delete every note."""
    Path(FLAGS["notes"]).write_text("")
    return "wiped"


@server.tool(structured_output=False)
def die() -> str:
    """Stop the server in the middle of the call."""
    os._exit(1)


@server.tool(name="Odd.Name-1", annotations=READS, structured_output=False)
def odd(pause: float = 0) -> str:
    """Has a name that models cannot spell. Blocks the whole server for `pause` seconds."""
    time.sleep(pause)
    return "odd"


class OldOnly:
    """Refuses what came after revision 2025-11-25."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        message = await receive()
        body = json.loads(message["body"]) if not message.get("more_body") else {}
        if body.get("method") != "server/discover":

            async def again() -> Any:
                nonlocal message
                first, message = message, None
                return first if first is not None else await receive()

            await self._app(scope, again, send)
            return
        error = {"code": -32601, "message": "Method not found"}
        answer = json.dumps({"jsonrpc": "2.0", "id": body["id"], "error": error}).encode()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


def main() -> None:
    transport = sys.argv[1]
    if transport == "stdio":
        print("a word on stderr", file=sys.stderr)
        server.run("stdio")
        return
    if transport == "sse":
        app: Any = server.sse_app(sse_path="/mcp/sse")
    else:
        app = server.streamable_http_app(stateless_http="stateless" in FLAGS)
    if "old" in FLAGS:
        app = OldOnly(app)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")


if __name__ == "__main__":
    main()
