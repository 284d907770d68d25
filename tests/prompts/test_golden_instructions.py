"""The whole of what a model is told about real pages, word for word.

`python -m tests.prompts.test_golden_instructions` writes the files anew; read what changed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestration.page.profile import ProfileView, Route
from orchestration.page.request import parse_request
from orchestration.prompts.conversation import earlier_messages
from orchestration.prompts.hygiene import DataQuoter
from orchestration.prompts.overlay import compose
from orchestration.prompts.recalled import Recalled

HERE = Path(__file__).parent
BODIES = json.loads((HERE.parent / "page" / "overlay_requests.json").read_text())
PROFILE = ProfileView(
    routes=(Route(path="/", title="Dashboard"), Route(path="/team", title="Team")),
    keywords=("task", "team", "metric", "blocked", "nothing of it"),
)
#: A page with everything: links, fields of each kind, a tour, an application that says much.
EVERYTHING: dict[str, Any] = {
    "prompt": "help me",
    "history": [
        {"role": "user", "content": "Where can I change my address?"},
        {"role": "assistant", "content": "Under settings."},
        {"role": "system", "content": "The user is on a trial."},
        {"role": "user", "content": "And my name?"},
    ],
    "domElements": [
        {"id": "root", "tagName": "div", "textContent": "Everything at once"},
        {"id": "home", "tagName": "A", "textContent": "Home", "href": "/"},
        {
            "id": "nav-settings",
            "tagName": "a",
            "textContent": "Settings",
            "classNames": "menu-item active",
            "href": "/settings?tab=me#name",
        },
        {"tagName": "a", "textContent": "Help", "href": "https://help.example/start"},
        {"id": "hidden", "tagName": "button", "textContent": "Hidden", "isVisible": False},
        {"id": "geometry-input", "tagName": "input", "placeholder": "Enter dimensions"},
        {"id": "name", "tagName": "input", "ariaLabel": "Your name", "value": "Ada"},
        {"id": "pw", "tagName": "input", "type": "password", "value": "secret!"},
        {"id": "news", "tagName": "input", "type": "checkbox", "ariaLabel": "Newsletter"},
        {"id": "size", "tagName": "input", "type": "range", "ariaLabel": "Size"},
        {"id": "country", "tagName": "select", "ariaLabel": "Country", "value": "IT"},
        {"id": ":r1:", "tagName": "button", "textContent": "Save   the\nchanges"},
        {"tagName": "button", "textContent": "Cancel"},
    ],
    "pageContext": {
        "pathname": "/settings",
        "search": "?tab=me",
        "hash": "#name",
        "title": "Settings",
    },
    "walkthroughContext": {
        "id": "first-steps",
        "currentStepIndex": 1,
        "totalSteps": 4,
        "currentStep": {"query": "#name", "message": "Say who you are."},
    },
    "customContext": {"tenant": "demo", "seats": 3},
}
PAGES = {
    "blocked_tasks": BODIES[0],
    "what_is_here": BODIES[1],
    "go_to_team": BODIES[2],
    "everything": EVERYTHING,
}


def instructions(name: str) -> str:
    request = parse_request(PAGES[name])
    recalled = Recalled(sessions=("2026-01-05 10:00 UTC; the user last asked 'Hello'",))
    return compose(
        request,
        PROFILE,
        quoter=DataQuoter("0123456789abcdef"),
        user_id="u1",
        session_id="s1",
        tools=["ui.navigate", "ui.highlight"],
        missing=["the tools of mcp:billing"],
        earlier=earlier_messages((), request),
        recalled=recalled if name == "everything" else Recalled(),
    )


def _golden(name: str) -> Path:
    return HERE / "golden" / f"{name}.txt"


@pytest.mark.req("OV-12", "OV-14", "OV-33", "OV-34")
@pytest.mark.parametrize("name", PAGES)
def test_the_instructions_are_the_golden_ones(name: str) -> None:
    assert instructions(name) + "\n" == _golden(name).read_text()


if __name__ == "__main__":
    for page in PAGES:
        _golden(page).write_text(instructions(page) + "\n")
