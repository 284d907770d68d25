"""`manage.py demo`: one answer from the running server, over HTTP, printed as it arrives."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from taskmapr.stack.record import running_stack

_QUESTION: Final = "Show me blocked tasks"
#: What an overlay would send of the page that the user looks at.
_PAGE: Final = {
    "pageContext": {"pathname": "/console/tasks", "title": "Tasks"},
    "domElements": [
        {"id": "tasks-heading", "tagName": "h1", "textContent": "Tasks"},
        {
            "id": "task-1",
            "tagName": "article",
            "role": "button",
            "textContent": "In progress: Welcome the new marketing colleague",
            "isInteractive": True,
        },
        {
            "id": "task-2",
            "tagName": "article",
            "role": "button",
            "textContent": "Blocked: Ship the review of the quarter",
            "isInteractive": True,
        },
    ],
}
#: Headers come within a second; between frames there is a heartbeat every 15 s.
_SILENCE_S: Final = 60


class Command(BaseCommand):
    help = "Ask the running server one question and print the answer as it arrives."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("question", nargs="*", default=[_QUESTION])
        parser.add_argument("--url", help="the server's address, if it is not the one of `up`")
        parser.add_argument("--token", help="a bearer token, where signing in is needed")

    def handle(self, *args: Any, **options: Any) -> None:
        question = " ".join(options["question"]).strip() or _QUESTION
        address = (options["url"] or _address()).rstrip("/")
        self.stdout.write(f"> {question}\n")
        try:
            with urllib.request.urlopen(  # noqa: S310 - the address is the user's own
                _request(address, question, options["token"]), timeout=_SILENCE_S
            ) as answer:
                status = self._show(frames(answer))
        except urllib.error.HTTPError as error:
            raise CommandError(_refusal(error)) from error
        except OSError as error:
            raise CommandError(f"No answer from {address} ({error}). Is `make up` on?") from error
        if status != "succeeded":
            raise CommandError(f"The run ended as {status}.")

    def _show(self, stream: Iterator[dict[str, Any]]) -> str:
        """Prints text as it comes, tool calls on lines of their own; returns the final status."""
        for frame in stream:
            data = frame["data"]
            match frame["type"]:
                case "text_delta":
                    self.stdout.write(data["text"], ending="")
                    self.stdout.flush()
                case "tool_call_started":
                    self.stdout.write(f"\n[{data['name']} {json.dumps(data['args'])}]")
                case "error":
                    self.stderr.write(f"{data['code']}: {data['message']}")
                case "complete":
                    self.stdout.write(f"\n[{data['status']} after {data['duration_ms']} ms]")
                    return str(data["status"])
        raise CommandError("The stream ended before the answer did.")


def frames(lines: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    """The JSON of each `data: ` line; every other line of the stream is for browsers."""
    for line in lines:
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


def _address() -> str:
    record = running_stack(settings.DATA_DIR)
    return record.addresses[0] if record else str(settings.PUBLIC_URL)


def _request(address: str, question: str, token: str | None) -> urllib.request.Request:
    headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    body = json.dumps({"prompt": question, **_PAGE}).encode()
    return urllib.request.Request(  # noqa: S310 - the address is the user's own
        f"{address}/api/taskmapr/orchestrate", data=body, headers=headers
    )


def _refusal(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["message"])
    except (ValueError, KeyError, TypeError):
        return f"The server answered {error.code}."
