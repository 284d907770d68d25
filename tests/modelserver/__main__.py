"""`python -m tests.modelserver --port N`: serve until the process is ended."""

from __future__ import annotations

import argparse
import asyncio

import uvloop

from tests.modelserver.server import ModelServer


async def serve(host: str, port: int) -> None:
    server = await ModelServer().listen(host, port)
    where = server.sockets[0].getsockname()
    print(f"http://{where[0]}:{where[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description="A scripted OpenAI-compatible model server")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one and prints it")
    options = parser.parse_args()
    try:
        uvloop.run(serve(options.host, options.port))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return


main()
