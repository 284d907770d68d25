"""The modules shown in docs/how-to, run as they stand there."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync

from orchestration.engines.tool_calls import ToolCaller
from orchestration.execution import drive
from orchestration.execution.drive import HeldRun
from orchestration.log.store import events_after
from orchestration.models import Approval, Effect, Run
from orchestration.services.leases import Claim
from orchestration.services.pausing import approval_resolve
from orchestration.services.recovery import runs_recover
from taskmapr.core import run_kinds, tools
from taskmapr.core.events import ModelResponded, TextDelta
from taskmapr.core.ports import ToolCallRequest
from taskmapr.core.tools import ToolContext, ToolRegistry
from taskmapr.users.models import User
from tests.docs.documents import ROOT, blocks
from tests.orchestration.conftest import StartRun
from tests.orchestration.engines.driving import refreshed, run_carry, use_engine
from tests.orchestration.logs import kinds, write

HOW_TO = ROOT / "docs" / "how-to"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in ("shop_tools", "shop_gifts", "shop_runs"):
        sys.modules.pop(name, None)


def _examples(document: str) -> list[str]:
    """The Python of a numbered list, without the list's indentation."""
    lines = (HOW_TO / document).read_text().split("\n")
    return blocks("\n".join(line.removeprefix("   ") for line in lines), "python")


def _module(folder: Path, name: str, source: str) -> ModuleType:
    (folder / f"{name}.py").write_text(source)
    return importlib.import_module(name)


# Add a tool -----------------------------------------------------------------------------------


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> ToolRegistry:
    fresh = ToolRegistry()
    monkeypatch.setattr(tools, "registry", fresh)
    return fresh


@pytest.fixture
def shop(folder: Path, registry: ToolRegistry, ada: User) -> ModuleType:
    source, _ = _examples("add-a-tool.md")
    shop = _module(folder, "shop_tools", source)
    shop.ORDERS[str(ada.pk), "A-17"] = "open"
    return shop


class Caller:
    """Carries out one tool call in a run of Ada's, attempt by attempt."""

    def __init__(self, run: Run, registry: ToolRegistry, patch: pytest.MonkeyPatch) -> None:
        self.run, self.registry, self.told = run, registry, ""
        self._patch = patch

    def call(self, name: str, **args: Any) -> str:
        """What the model reads; empty when the run paused."""
        asked = {"call_id": "c1", "name": name, "arguments": json.dumps(args)}
        self.told = ""

        async def body(held: HeldRun) -> None:
            if not held.transcript.pending_calls:
                held.writer.append(ModelResponded(step=1, model="m", duration_ms=1, calls=[asked]))
            caller = ToolCaller(held, lambda call_id: self._context(held, call_id))
            self.told = await caller(ToolCallRequest(**asked), self.registry.get(name))

        use_engine(self._patch, body)
        async_to_sync(run_carry)(self.run.pk)
        return self.told

    def _context(self, held: HeldRun, call_id: str) -> ToolContext:
        owner = str(held.claim.owner_id)
        return ToolContext(
            run_id=str(held.run_id), call_id=call_id, user_id=owner, session_id="s-1"
        )


@pytest.fixture
def caller(
    start: StartRun, registry: ToolRegistry, shop: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> Caller:
    return Caller(start(), registry, monkeypatch)


@pytest.mark.req("OV-05")
def test_the_tools_are_offered_by_a_pattern(shop: ModuleType, registry: ToolRegistry) -> None:
    names = [spec.name for spec in registry.named(["shop.*"])]

    assert names == ["shop.order_cancel", "shop.order_state"]


@pytest.mark.req("OV-05", "OV-46")
def test_the_reading_tool_answers(caller: Caller) -> None:
    assert json.loads(caller.call("shop.order_state", order="A-17")) == {
        "order": "A-17",
        "state": "open",
    }


@pytest.mark.req("IN-27")
def test_the_short_way_makes_the_same_kind_of_tool(
    folder: Path, registry: ToolRegistry, caller: Caller
) -> None:
    _, source = _examples("add-a-tool.md")
    sys.modules.pop("shop_tools")
    _module(folder, "shop_gifts", source)

    spec = registry.get("shop.gift_wrap")
    assert spec is not None
    assert spec.input_schema["required"] == ["paper"]
    assert json.loads(caller.call("shop.gift_wrap", paper="red")) == {"paper": "red", "metres": 3}


def test_what_it_refuses_is_told_in_its_words(caller: Caller) -> None:
    assert json.loads(caller.call("shop.order_state", order="A-18")) == {
        "error": "There is no order A-18."
    }


def test_arguments_that_do_not_fit_never_reach_it(caller: Caller) -> None:
    assert "does not match" in json.loads(caller.call("shop.order_state", order="x"))["error"]


def test_the_writing_tool_waits_for_a_person_and_then_acts_once(
    caller: Caller, shop: ModuleType, ada: User
) -> None:
    assert caller.call("shop.order_cancel", order="A-17") == ""
    assert refreshed(caller.run).status == "paused"
    assert shop.ORDERS[str(ada.pk), "A-17"] == "open"

    approval_resolve(approval_id=Approval.objects.get().pk, decision="approved", by="ada")

    told = json.loads(caller.call("shop.order_cancel", order="A-17"))
    assert told == {"order": "A-17", "state": "cancelled"}
    assert Effect.objects.get().status == "done"


# Add an engine and a kind of run ---------------------------------------------------------------


@pytest.fixture
def reports(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The examples: the module, which is imported, and the start of a run."""
    monkeypatch.setattr(run_kinds, "_KINDS", dict(run_kinds._KINDS))
    sources = _examples("add-an-engine-and-a-kind-of-run.md")
    _module(folder, "shop_runs", sources[0])
    yield sources
    drive.engine_class.cache_clear()


def _report(source: str, user: User) -> Run:
    names: dict[str, Any] = {"user": user}
    exec(source, names)
    return Run.objects.get(pk=names["started"].run_id)


def test_the_report_is_said_line_by_line(reports: list[str], ada: User) -> None:
    run = _report(reports[1], ada)
    assert (run.kind, run.queue) == ("shop.report", "runs.shop")

    async_to_sync(run_carry)(run.pk)

    assert kinds(run) == [
        "run.created",
        "run.started",
        *["text.delta", "progress"] * 2,
        "metadata",
        "run.finished",
    ]
    assert refreshed(run).status == "succeeded"


def test_another_attempt_goes_on_where_the_first_stopped(
    reports: list[str], ada: User, hold: Callable[[UUID], Claim]
) -> None:
    run = _report(reports[1], ada)
    write(hold(run.pk), TextDelta(text="Seven orders.\n"))
    Run.objects.filter(pk=run.pk).update(lease_expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert runs_recover()["resumed"] == 1

    async_to_sync(run_carry)(run.pk, "w2")

    said = [e.data["text"] for e in events_after(run.pk, 0) if e.kind == "text.delta"]
    assert said == ["Seven orders.\n", "One is late.\n"]
