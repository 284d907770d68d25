"""/admin/orchestration/run/<id>/change/ of tasks and jobs: what was asked and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.contrib.admin.models import LogEntry
from django.db.models.fields.files import FieldFile
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from orchestration.models import Artifact, Delivery, Run
from orchestration.models.artifact import ArtifactRole
from orchestration.services.artifacts import artifact_store
from orchestration.services.leases import Claim
from orchestration.services.run_end import run_cancel
from taskmapr.core import events as ev
from tests.orchestration.admin.conftest import staff_in
from tests.orchestration.conftest import StartRun
from tests.orchestration.logs import write

Hold = Callable[[UUID], Claim]


def page(run: Run) -> str:
    return f"/admin/orchestration/run/{run.pk}/change/"


@pytest.fixture
def task(start: StartRun) -> Run:
    given = {"params": {"place": "the drawer"}, "settings": {"version": 3}, "schedule": "nightly"}
    return start(
        kind="task", session_id=None, subject="test_task", prompt="", input=given, max_attempts=4
    )


def _kept(run: Run, name: str, role: Any, media_type: str) -> Artifact:
    artifact_store(run_id=run.pk, name=name, data=b"bytes", media_type=media_type, role=role)
    return Artifact.objects.get(run=run, name=name)


def _cancelled(run: Run) -> Run:
    run_cancel(run_id=run.pk, by="ada")
    return Run.objects.get(pk=run.pk)


@pytest.mark.req("TQ-41", "IN-50")
def test_shows_parameters_result_files_and_callbacks(
    admin_client: Client,
    task: Run,
    hold: Hold,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    write(hold(task.pk), ev.ResultGiven(value={"found": "a spoon"}))
    for name, role, media_type in (
        ("end.png", ArtifactRole.SCREENSHOT, "image/png"),
        ("list.csv", ArtifactRole.DOWNLOAD, "text/csv"),
    ):
        _kept(task, name, role, media_type)
    Delivery.objects.create(run=task, url="https://shop.example/hook?token=1", attempts=2)

    with django_assert_max_num_queries(20):
        body = admin_client.get(page(task)).content.decode()

    assert "the drawer" in body
    assert "a spoon" in body
    assert f'<img src="/static/screenshots/{task.pk}/end.png?exp=' in body
    assert f'href="/static/results/{task.pk}/list.csv?exp=' in body
    assert "https://shop.example/hook?…" in body
    assert "2 of 8" in body
    assert "nightly, which is gone" in body
    assert "1 of 4" in body


@pytest.mark.req("TQ-36", "TQ-41")
def test_secrets_that_were_sent_are_not_shown(admin_client: Client, task: Run) -> None:
    sent = {"headers": {"Authorization": "Bearer sk-of-the-owner"}, "password": "sk-of-the-owner"}
    Run.objects.filter(pk=task.pk).update(input={**task.input, "params": sent})

    body = admin_client.get(page(task)).content.decode()

    assert "Authorization" in body
    assert "sk-of-the-owner" not in body


@pytest.mark.req("TQ-41")
def test_words_results_and_files_need_the_permission_to_read_them(
    supporter: Client, task: Run, hold: Hold
) -> None:
    write(hold(task.pk), ev.ResultGiven(value="a spoon"))
    private = _kept(task, "exception-1.txt", ArtifactRole.PRIVATE, "text/plain")
    _kept(task, "end.png", ArtifactRole.SCREENSHOT, "image/png")

    body = supporter.get(page(task)).content.decode()

    for hidden in ("drawer", "spoon", "end.png", "exception-1", "/static/screenshots/"):
        assert hidden not in body
    file = f"/admin/orchestration/run/{task.pk}/files/{private.pk}/"
    assert supporter.get(file).status_code == 403


@pytest.mark.req("TQ-41")
def test_a_stack_is_a_file_that_staff_save(watcher: Client, task: Run) -> None:
    private = _kept(task, "exception-1.txt", ArtifactRole.PRIVATE, "text/plain")
    public = _kept(task, "list.csv", ArtifactRole.DOWNLOAD, "text/csv")
    base = f"/admin/orchestration/run/{task.pk}/files"

    answer = watcher.get(f"{base}/{private.pk}/")

    assert f"{base}/{private.pk}/" in watcher.get(page(task)).content.decode()
    assert b"".join(answer.streaming_content) == b"bytes"  # type: ignore[attr-defined]
    assert answer["Content-Disposition"].startswith("attachment")
    assert watcher.get(f"{base}/{public.pk}/").status_code == 404


@pytest.mark.req("TQ-41")
@pytest.mark.parametrize("step", ["open", "seek"])
def test_while_the_storage_of_files_is_away_the_file_is_asked_for_again(
    watcher: Client, task: Run, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    private = _kept(task, "exception-1.txt", ArtifactRole.PRIVATE, "text/plain")

    def away(*args: object) -> None:
        raise ConnectionError("bucket.example.org")

    monkeypatch.setattr(FieldFile, step, away)

    answer = watcher.get(f"/admin/orchestration/run/{task.pk}/files/{private.pk}/")

    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert b"example.org" not in answer.content


@pytest.mark.req("IN-50")
def test_a_sealed_job_names_its_intent_and_nothing_of_its_content(
    admin_client: Client, finished: Callable[..., Run]
) -> None:
    job = finished(
        kind="intent", subject="shop.refund", mode="flow", is_sealed=True, input={"inputs": "plum"}
    )
    _kept(job, "bill.pdf", ArtifactRole.DOWNLOAD, "application/pdf")

    body = admin_client.get(page(job)).content.decode()

    assert "shop.refund" in body
    assert "plum" not in body
    assert "bill.pdf" not in body


@pytest.mark.req("TQ-44")
def test_assigning_again_makes_a_task_that_leads_back(admin_client: Client, task: Run) -> None:
    ended = _cancelled(task)
    assert "Assign this task again?" in admin_client.get(page(ended)).content.decode()

    answer = admin_client.post(f"/admin/orchestration/run/{ended.pk}/again/")

    again = Run.objects.exclude(pk=ended.pk).get()
    assert answer["Location"] == page(again)
    assert (again.owner_id, again.status) == (task.owner_id, "queued")
    assert LogEntry.objects.get().object_id == str(again.pk)
    assert page(ended) in admin_client.get(page(again)).content.decode()


@pytest.mark.req("TQ-44")
def test_a_task_that_is_not_over_cannot_be_assigned_again(admin_client: Client, task: Run) -> None:
    assert "Assign again" not in admin_client.get(page(task)).content.decode()

    answer = admin_client.post(f"/admin/orchestration/run/{task.pk}/again/", follow=True)

    assert answer.redirect_chain == [(page(task), 302)]
    assert not Run.objects.exclude(pk=task.pk).exists()
    assert not LogEntry.objects.exists()


@pytest.mark.req("TQ-44")
def test_who_only_looks_changes_nothing(client: Client, task: Run) -> None:
    ended = _cancelled(task)
    looker = staff_in(client, "view_run", "read_content")

    assert "Assign again" not in looker.get(page(ended)).content.decode()
    assert looker.post(f"/admin/orchestration/run/{ended.pk}/again/").status_code == 403
    assert not Run.objects.exclude(pk=ended.pk).exists()
