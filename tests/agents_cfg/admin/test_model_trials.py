"""/admin/agents_cfg/modelprofile/<id>/test/: does this model answer?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client

from agents_cfg.models import ModelProfile, ModelTrial, OverlayProfile
from taskmapr.core import wired
from taskmapr.users.models import User

pytestmark = pytest.mark.django_db

MODELS = "/admin/agents_cfg/modelprofile/"


@pytest.fixture
def own() -> ModelProfile:
    return ModelProfile.objects.create(name="own", model="mock/echo", api_key="sk-very-secret")


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(wired.ports().queue), "enqueue", lambda self, job, *a, queue: None)


def page(own: ModelProfile) -> str:
    return f"{MODELS}{own.pk}/test/"


def test_asking_waits_for_a_worker_and_is_audited(admin_client: Client, own: ModelProfile) -> None:
    answer = admin_client.post(page(own), follow=True)

    body = answer.content.decode()
    assert ModelTrial.objects.get().status == "waiting"
    assert 'data-status="waiting"' in body
    assert "data-tm-refresh" in body
    assert LogEntry.objects.get().change_message == "tested"


def test_shows_answer_and_figures_but_never_the_key(
    admin_client: Client, own: ModelProfile
) -> None:
    ModelTrial.objects.create(
        profile=own,
        status="succeeded",
        answer="Hello, I am echo.",
        duration_ms=820,
        input_tokens=30,
        output_tokens=8,
        finished_at=datetime.now(UTC),
    )

    body = admin_client.get(page(own)).content.decode()

    assert "Hello, I am echo." in body
    assert "820 ms" in body
    assert "<dd>unknown</dd>" in body
    assert "data-tm-refresh" not in body
    assert "sk-very-secret" not in body


def test_shows_the_error_and_where_it_is_explained(admin_client: Client, own: ModelProfile) -> None:
    ModelTrial.objects.create(
        profile=own, status="failed", error_code="llm_auth_failed", error_message="Wrong key."
    )

    body = admin_client.get(page(own)).content.decode()

    assert "Wrong key." in body
    assert "/problems/llm_auth_failed" in body


def test_a_test_that_nobody_took_is_given_up(admin_client: Client, own: ModelProfile) -> None:
    long_ago = datetime.now(UTC) - timedelta(minutes=5)
    ModelTrial.objects.create(profile=own, created_at=long_ago)

    body = admin_client.get(page(own)).content.decode()

    assert "No worker took this test" in body
    assert "data-tm-refresh" not in body


def test_looking_is_not_asking(client: Client, own: ModelProfile) -> None:
    user = User.objects.create_user("watcher@example.org", "a long password", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_modelprofile"))
    client.force_login(user)

    assert "Ask it now" not in client.get(page(own)).content.decode()
    assert client.post(page(own)).status_code == 403
    assert not ModelTrial.objects.exists()


def test_unknown_models_are_not_found(admin_client: Client) -> None:
    assert admin_client.get(f"{MODELS}999/test/").status_code == 404


def test_the_profile_leads_to_its_test_and_names_who_uses_it(
    admin_client: Client, own: ModelProfile
) -> None:
    OverlayProfile.objects.create(name="shop", model=own)
    OverlayProfile.objects.create(name="forum", allowed_models=["own"])
    OverlayProfile.objects.create(name="blog")
    ModelTrial.objects.create(profile=own, status="succeeded")

    shown = admin_client.get(f"{MODELS}{own.pk}/change/").content.decode()
    listed = admin_client.get(MODELS).content.decode()

    assert "Test this model" in shown
    assert ">shop</a>" in shown
    assert ">forum</a>" in shown
    assert "blog" not in shown
    assert 'data-status="succeeded"' in listed
