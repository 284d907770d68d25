from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agents_cfg.selectors.fresh import fresh
from orchestration.models import FlowMapping
from orchestration.targets.flows import (
    FlowTarget,
    best_mapping,
    default_flow_intents,
    flow_auth,
    flow_check,
    flow_for,
    flow_intents,
    flow_url,
    slug_of,
)
from taskmapr.core.errors import NotConfigured

Configure = Callable[..., None]


@pytest.fixture
def configure(settings: Any) -> Configure:
    def change(**changes: Any) -> None:
        settings.TASKMAPR = {**settings.TASKMAPR, **changes}

    change(
        n8n_base="https://n8n.example/webhook",
        n8n_auth_token="t0ken",
        activepieces_base="https://ap.example/api/v1",
        activepieces_api_key="k3y",
    )
    return change


def mapping(**changes: Any) -> FlowMapping:
    made = FlowMapping.objects.create(**{"pattern": "crm.*", **changes})
    fresh.forget()
    return made


def test_the_name_itself_wins_then_the_longest_beginning() -> None:
    known = [FlowMapping(pattern=p) for p in ("*", "crm.*", "crm.lead.*", "crm.lead.add")]

    chosen = {
        intent: getattr(best_mapping(intent, known), "pattern", None)
        for intent in ("crm.lead.add", "crm.lead.drop", "crm.x", "other")
    }

    assert chosen == {
        "crm.lead.add": "crm.lead.add",
        "crm.lead.drop": "crm.lead.*",
        "crm.x": "crm.*",
        "other": "*",
    }
    assert best_mapping("crm", known[1:]) is None


@pytest.mark.req("IN-22")
@pytest.mark.parametrize(
    ("intent", "path"),
    [
        ("gmail.triage", "/gmail-triage"),
        ("Slack.Summarize_All", "/slack-summarize-all"),
        ("a/b", "/a-b"),
        ("a:b", "/a%3Ab"),
        ("a..b", "/a-b"),
    ],
)
def test_n8n_has_a_path_by_the_name_of_the_intent(
    intent: str, path: str, configure: Configure
) -> None:
    assert flow_url(FlowTarget(engine="n8n"), intent) == f"https://n8n.example/webhook{path}"


@pytest.mark.req("IN-22")
def test_activepieces_is_called_by_the_id_of_the_flow(configure: Configure) -> None:
    flow = FlowTarget(engine="activepieces", place="f1")
    late = FlowTarget(engine="activepieces", place="f1", is_synchronous=False)

    assert flow_url(flow, "x.y") == "https://ap.example/api/v1/webhooks/f1/sync"
    assert flow_url(late, "x.y") == "https://ap.example/api/v1/webhooks/f1"


@pytest.mark.req("IN-44")
@pytest.mark.parametrize("intent", ["a//evil.example/x", "a.b:8080", "a/../../etc", "a%2f"])
@pytest.mark.parametrize(
    "flow",
    [
        FlowTarget(engine="n8n"),
        FlowTarget(engine="n8n", place="team/{intent}/run"),
        FlowTarget(engine="http", place="https://n8n.example/webhook/{intent}"),
    ],
)
def test_an_intent_changes_neither_host_nor_folder(
    intent: str, flow: FlowTarget, configure: Configure
) -> None:
    url = flow_url(flow, intent)

    host, _, path = url.removeprefix("https://").partition("/")
    assert host == "n8n.example"
    assert path.startswith("webhook/")
    assert ".." not in path.split("/")
    assert "//" not in path


@pytest.mark.req("IN-24")
def test_names_the_variable_that_is_missing(configure: Configure) -> None:
    configure(n8n_base="", activepieces_base="")

    with pytest.raises(NotConfigured, match="N8N_WEBHOOK_BASE"):
        flow_check(FlowTarget(engine="n8n"))
    with pytest.raises(NotConfigured, match="ACTIVEPIECES_BASE"):
        flow_check(FlowTarget(engine="activepieces", place="f"))
    flow_check(FlowTarget(engine="http", place="https://x.example/"))


@pytest.mark.req("IN-23")
def test_each_engine_knows_us_by_its_own_header(configure: Configure) -> None:
    n8n, pieces = FlowTarget(engine="n8n"), FlowTarget(engine="activepieces", place="f")
    http = FlowTarget(engine="http", place="https://x.example/", secret="s")

    assert flow_auth(n8n, "") == {"X-N8N-Auth": "t0ken"}
    assert flow_auth(pieces, "") == {"Authorization": "Bearer k3y"}
    assert flow_auth(n8n, "own") == {"X-N8N-Auth": "own"}
    assert flow_auth(http, "own") == {"Authorization": "Bearer own"}
    assert flow_auth(http, "Basic abc") == {"Authorization": "Basic abc"}
    named = FlowTarget(engine="http", place="https://x.example/", secret="s", auth_header="X-Key")
    assert flow_auth(named, "own") == {"X-Key": "own"}


@pytest.mark.req("IN-23")
def test_what_n8n_knows_us_by_goes_nowhere_else(configure: Configure) -> None:
    http = FlowTarget(engine="http", place="https://x.example/")

    assert flow_auth(http, "") == {}


@pytest.mark.req("IN-24", "IN-48")
def test_a_mapping_wins_over_the_usual_flow(db: None, configure: Configure) -> None:
    usual = flow_for("gmail.triage")
    assert (usual.engine, usual.source) == ("n8n", "default")  # type: ignore[union-attr]

    mapping(pattern="gmail.triage", engine="activepieces", place="f9", timeout_s=7)

    mapped = flow_for("gmail.triage")
    assert mapped is not None
    assert (mapped.engine, mapped.place, mapped.timeout_s) == ("activepieces", "f9", 7)
    assert mapped.source == "mapping gmail.triage"


@pytest.mark.req("IN-24", "IN-29")
def test_a_mapping_that_is_off_switches_its_intents_off(db: None, configure: Configure) -> None:
    mapping(pattern="gmail.*", is_enabled=False)

    assert flow_for("gmail.triage") is None
    assert flow_for("slack.summarize") is not None


def test_other_names_have_no_flow_without_a_mapping(db: None, configure: Configure) -> None:
    assert flow_for("memory.write") is None

    mapping(pattern="memory.*")

    assert flow_for("memory.write") is not None


@pytest.mark.req("IN-29")
def test_lists_the_usual_intents_while_n8n_is_configured(db: None, configure: Configure) -> None:
    mapping(pattern="crm.*")
    mapping(pattern="crm.lead", description="Adds a lead")
    mapping(pattern="slack.summarize", is_enabled=False)

    assert [flow.name for flow in flow_intents()] == [
        "calendar.schedule",
        "crm.lead",
        "gmail.triage",
    ]
    configure(n8n_base="")
    assert [flow.name for flow in flow_intents()] == ["crm.lead"]
    assert default_flow_intents() == ()


@pytest.mark.req("IN-48")
def test_a_run_keeps_the_target_that_it_began_with(db: None, configure: Configure) -> None:
    mapping(pattern="crm.*", place="one", input_schema={"type": "object", "required": ["id"]})
    target = flow_for("crm.x")
    assert target is not None

    assert FlowTarget.of_json({**target.as_json(), "of_tomorrow": 1}) == target


def test_slugs_hold_nothing_that_leads_elsewhere() -> None:
    assert slug_of("../../a__b") == "-a-b"
