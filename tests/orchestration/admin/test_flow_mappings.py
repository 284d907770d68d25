"""/admin/orchestration/flowmapping/: which workflow carries out an intent."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from agents_cfg.models import Secret
from agents_cfg.services.secrets import secret_save
from orchestration.models import FlowMapping
from orchestration.targets.flows import flow_for

LIST = "/admin/orchestration/flowmapping/"


@pytest.fixture
def root(admin_client: Client) -> Client:
    return admin_client


def given(**changes: Any) -> dict[str, Any]:
    return {
        "pattern": "crm.*",
        "description": "",
        "is_enabled": "on",
        "engine": "n8n",
        "place": "",
        "method": "POST",
        "auth_header": "",
        "secret": "",
        "input_schema": "{}",
        "is_synchronous": "on",
        "timeout_s": "",
        **changes,
    }


@pytest.mark.req("IN-24", "IN-48")
def test_a_mapping_that_is_saved_holds_at_once(
    root: Client, django_capture_on_commit_callbacks: Any
) -> None:
    assert flow_for("crm.lead") is None

    with django_capture_on_commit_callbacks(execute=True):
        saved = root.post(f"{LIST}add/", given(place="team/{intent}", timeout_s="7.5"))

    assert saved.status_code == 302
    flow = flow_for("crm.lead")
    assert flow is not None
    assert (flow.place, flow.timeout_s, flow.is_retry_safe) == ("team/{intent}", 7.5, False)


@pytest.mark.req("IN-24", "IN-44")
@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"pattern": "crm.*.x"}, "is the name of an intent"),
        ({"pattern": "-x"}, "is the name of an intent"),
        ({"place": "../admin"}, "plain characters"),
        ({"place": "a?b"}, "plain characters"),
        ({"engine": "activepieces"}, "the id of the flow is needed"),
        ({"engine": "http", "place": "ftp://x.example/"}, "http or https address"),
        ({"engine": "http", "place": "https://u:p@x.example/"}, "http or https address"),
        ({"engine": "http", "place": "https://{intent}.example/"}, "the host stands fast"),
        ({"auth_header": "Host"}, "no name for this header"),
        ({"auth_header": "a b"}, "no name for this header"),
        ({"secret": "nosuch"}, "secret"),
        ({"engine": "http", "place": "https://x.example/", "auth_header": "X-Key"}, "secret store"),
        ({"input_schema": "[]"}, "must describe an object"),
        ({"input_schema": '{"type": "object", "properties": 5}'}, "is no JSON Schema"),
    ],
)
def test_what_cannot_be_is_refused(root: Client, changes: dict[str, Any], problem: str) -> None:
    if changes.get("input_schema") == "[]":
        changes = {"input_schema": "[1]"}

    refused = root.post(f"{LIST}add/", given(**changes))

    assert refused.status_code == 200
    assert problem in refused.content.decode()
    assert not FlowMapping.objects.exists()


@pytest.mark.req("IN-47")
def test_shows_what_would_be_sent_and_no_secret(root: Client, settings: Any) -> None:
    settings.TASKMAPR = {
        **settings.TASKMAPR,
        "n8n_base": "https://n8n.example/webhook",
        "n8n_auth_token": "t0ken-of-n8n",
    }
    secret_save(secret=Secret(name="crm.key", value="s3cret"), by="root")
    mapping = FlowMapping.objects.create(pattern="crm.*", secret="crm.key", auth_header="X-Key")

    page = root.get(f"{LIST}{mapping.pk}/change/").content.decode()

    assert "POST https://n8n.example/webhook/crm-example" in page
    assert "X-Key: [hidden]" in page
    assert "&quot;callback_url&quot;" in page
    assert "s3cret" not in page
    assert "t0ken-of-n8n" not in page


@pytest.mark.req("IN-47")
def test_the_preview_says_what_is_not_configured(root: Client) -> None:
    mapping = FlowMapping.objects.create(pattern="crm.*")

    page = root.get(f"{LIST}{mapping.pk}/change/").content.decode()

    assert "set N8N_WEBHOOK_BASE" in page
    assert "crm.*" in root.get(LIST).content.decode()
