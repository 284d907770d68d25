"""The first request that the documents show, answered by the built-in stand-in."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from orchestration.log.store import events_after
from orchestration.page.request import parse_request
from tests.docs.documents import ROOT
from tests.orchestration.conftest import StartRun
from tests.orchestration.engines.driving import refreshed, run_carry

_BODY = re.compile(r"-d '(\{.*\})'")


def _body(document: str) -> Any:
    (body,) = _BODY.findall((ROOT / document).read_text())
    return json.loads(body)


@pytest.mark.req("OV-62")
def test_it_highlights_the_button(start: StartRun) -> None:
    request = parse_request(_body("README.md"))
    run = start(input=request.as_stored(), prompt=request.prompt)

    async_to_sync(run_carry)(run.pk)

    actions = [e.data["actions"] for e in events_after(run.pk, 0) if e.kind == "ui.actions"]
    assert refreshed(run).status == "succeeded"
    assert [action["payload"]["selectors"] for (action,) in actions] == [["#save"]]


def test_both_documents_show_the_same() -> None:
    assert _body("README.md") == _body("docs/protocols/overlay.md")
