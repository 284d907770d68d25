from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from agents_cfg.models import Tool
from agents_cfg.selectors.fresh import fresh
from orchestration.models import Run, TaskDefinition
from orchestration.selectors import task_types as selecting
from orchestration.selectors.task_types import (
    catalogues,
    task_type_named,
    task_type_problems,
    task_type_to_assign,
    task_types_all,
    task_types_for,
)
from orchestration.services.task_types import (
    task_definition_delete,
    task_definition_save,
    task_definitions_note,
    task_types_reload,
)
from orchestration.task_sources import definitions
from taskmapr.core.errors import InvalidInput, TaskDisabled, UnknownTaskType
from taskmapr.core.task_types import TaskContext, TaskType
from taskmapr.users.credentials import Credential
from tests.orchestration.tasks.conftest import Execute

pytestmark = pytest.mark.django_db

OfType = Callable[..., TaskType]

FILE = """
from taskmapr.core.task_types import task

@task("{name}", version={version})
def work(params, ctx):
    return {version}
"""


@pytest.fixture(autouse=True)
def _looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selecting, "LOOK_EVERY_S", 0.0)
    catalogues.forget()


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    made = tmp_path / "tasks"
    made.mkdir()
    settings.TASKMAPR = {**settings.TASKMAPR, "tasks_dir": made}
    return made


def alias(name: str = "quick", **changes: Any) -> TaskDefinition:
    content = {"type": "test_task", "params": {"duration_s": 0, "steps": 1}}
    return TaskDefinition(**{"name": name, "kind": "alias", "content": content, **changes})


def saved(definition: TaskDefinition) -> TaskDefinition:
    task_definition_save(definition=definition, by="root")
    task_types_reload()
    return definition


def names() -> set[str]:
    return {made.name for made in task_types_all()}


@pytest.mark.req("TQ-10")
def test_built_in_types_are_there() -> None:
    assert {"test_task", "http_request", "intent"} <= names()
    assert task_type_named("test_task").source == "builtin"


@pytest.mark.req("TQ-11", "TQ-12")
def test_an_alias_is_there_as_soon_as_it_is_saved(execute: Execute) -> None:
    saved(alias())

    ended = execute("quick", {"test": True})

    assert ended.end == ("succeeded", "")
    assert ended.result["echo"] == {"test": True, "duration_s": 0, "steps": 1}
    assert task_type_named("quick").source == "admin"


@pytest.mark.req("TQ-12")
def test_presets_cannot_be_overridden(execute: Execute) -> None:
    saved(alias())

    assert execute("quick", {"steps": 7}).result["echo"]["steps"] == 1


@pytest.mark.req("TQ-12")
def test_a_task_keeps_the_version_that_it_began_with(execute: Execute) -> None:
    definition = saved(alias())
    snapshot = dict(task_type_named("quick").definition or {})
    definition.content = {"type": "test_task", "params": {"duration_s": 0, "steps": 5}}
    saved(definition)

    assert task_type_named("quick").version == 2
    old = execute("quick", {}, {"definition": snapshot})
    new = execute("quick", {})

    assert (old.result["echo"]["steps"], new.result["echo"]["steps"]) == (1, 5)


@pytest.mark.req("TQ-11")
def test_a_deleted_type_is_gone_but_not_for_tasks_that_have_it(execute: Execute) -> None:
    definition = saved(alias())
    snapshot = dict(task_type_named("quick").definition or {})
    task_definition_delete(definition=definition, by="root")
    task_types_reload()

    assert execute("quick").end == ("failed", "unknown_task_type")
    assert execute("quick", {}, {"definition": snapshot}).end == ("succeeded", "")


@pytest.mark.req("TQ-12", "TQ-18")
@pytest.mark.parametrize(("own", "limit"), [(0, 2), (1, 1), (5, 2)])
def test_an_alias_loosens_no_limit(of_type: Callable[..., TaskType], own: int, limit: int) -> None:
    tight = of_type(lambda params, ctx: None, concurrency=2)
    content = {"type": tight.name}
    saved(TaskDefinition(name="loose", kind="alias", content=content, concurrency=own))

    assert task_type_named("loose").concurrency == limit


@pytest.mark.req("TQ-12")
def test_a_type_can_call_an_intent(execute: Execute) -> None:
    content = {"intent": "knowledge.list_knowledge_collections", "inputs": {}}
    saved(TaskDefinition(name="collections", kind="intent", content=content))

    ended = execute("collections")

    assert ended.end == ("succeeded", ""), ended.run.error_message


@pytest.mark.req("TQ-34", "IN-02")
@pytest.mark.parametrize(
    ("patterns", "end"),
    [
        (None, ("succeeded", "")),
        (["knowledge.*"], ("succeeded", "")),
        (["memory.*"], ("failed", "intent_forbidden")),
    ],
)
def test_a_task_calls_only_the_intents_that_its_key_may(
    execute: Execute, patterns: list[str] | None, end: tuple[str, str]
) -> None:
    params = {"intent": "knowledge.list_knowledge_collections"}

    assert execute("intent", params, {"intents": patterns}).end == end


@pytest.mark.req("TQ-12", "IN-48")
@pytest.mark.parametrize(
    ("said", "code"),
    [({"is_enabled": False}, "unknown_intent"), ({"danger": "write"}, "intent_forbidden")],
)
def test_a_task_calls_a_tool_only_as_operators_want_it(
    execute: Execute, said: dict[str, Any], code: str
) -> None:
    name = "knowledge.list_knowledge_collections"
    Tool.objects.update_or_create(name=name, defaults={"is_enabled": True, **said})
    fresh.clear()

    assert execute("intent", {"intent": name}).end == ("failed", code)


@pytest.mark.req("TQ-12")
def test_requests_go_to_the_internet_alone(execute: Execute) -> None:
    content = {"url": "http://127.0.0.1:1/"}
    saved(TaskDefinition(name="inside", kind="http_request", content=content))

    assert execute("inside").end == ("failed", "address_not_allowed")


@pytest.mark.req("TQ-12")
def test_a_request_is_filled_in_with_the_parameters(
    execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[dict[str, Any]] = []

    async def send(request: dict[str, Any], ctx: TaskContext, *, secrets: Any) -> None:
        sent.append({**request, "secrets": secrets})

    monkeypatch.setattr(definitions, "request_send", send)
    content = {
        "method": "PUT",
        "url": "https://api.example/towns/{{ params.town }}?by={{ params.n }}",
        "headers": {"X-Town": "{{ params.town }}", "X-N": "{{ params.n }}"},
        "secrets": {"Authorization": "api-key"},
        "body": {"count": "{{ params.n }}", "told": "{{ params.n }} in {{ params.town }}"},
    }
    saved(TaskDefinition(name="put_town", kind="http_request", content=content))

    assert execute("put_town", {"town": "New Ulm/..", "n": 3}).end == ("succeeded", "")
    assert execute("put_town", {"town": "Ulm"}).end == ("failed", "validation_error")

    assert sent == [
        {
            "method": "PUT",
            "url": "https://api.example/towns/New%20Ulm%2F..?by=3",
            "headers": {"X-Town": "New Ulm/..", "X-N": "3"},
            "secrets": {"Authorization": "api-key"},
            "body": {"count": 3, "told": "3 in New Ulm/.."},
        }
    ]


def requesting(**content: Any) -> TaskDefinition:
    given = {"url": "https://api.example/{{ params.town }}", **content}
    closed = {"type": "object", "properties": {"town": {}}, "additionalProperties": False}
    return TaskDefinition(name="asking", kind="http_request", content=given, params_schema=closed)


def asking(**content: Any) -> TaskDefinition:
    given = {"instructions": "Be brief.", **content}
    return TaskDefinition(name="asking", kind="agent_prompt", content=given)


@pytest.mark.parametrize(
    "definition",
    [
        alias(content={"type": "nothing_like_it"}),
        alias(name="quick", content={"type": "quick"}),
        alias(name="test_task"),
        alias(name="no spaces"),
        alias(params_schema={"type": "array"}),
        alias(params_schema={"type": "object", "properties": {"a": {"type": "odd"}}}),
        TaskDefinition(name="empty", kind="intent"),
        TaskDefinition(name="empty", kind="http_request"),
        requesting(url="{{ params.town }}"),
        requesting(url="https://{{ params.town }}.example/"),
        requesting(url="https://api.example{{ params.town }}"),
        requesting(url="https://api.example:{{ params.town }}/"),
        requesting(url="https://api.example/{{ params.city }}"),
        requesting(url="https://api.example/{{ steps.a.output }}"),
        requesting(headers={"X-Town": "{{ town }}"}),
        requesting(headers={"X-N": 5}),
        requesting(body=["{{ params.town"]),
        TaskDefinition(name="empty", kind="agent_prompt"),
        asking(instructions="a" * 8001),
        asking(tools="memory.*"),
        asking(tools=["memory.*", 5]),
        asking(model=5),
    ],
    ids=lambda definition: f"{definition.name}-{definition.content}",
)
def test_what_makes_no_type_is_refused(definition: TaskDefinition) -> None:
    with pytest.raises(InvalidInput):
        task_definition_save(definition=definition, by="root")
    assert not TaskDefinition.objects.exists()


@pytest.mark.req("TQ-10")
def test_earlier_sources_keep_their_names(folder: Path) -> None:
    (folder / "mine.py").write_text(FILE.format(name="test_task", version=9))

    assert task_type_named("test_task").source == "builtin"
    assert [problem.where for problem in task_type_problems()] == ["test_task"]


@pytest.mark.req("TQ-11", "TQ-13")
def test_files_are_read_as_they_come_change_and_go(folder: Path) -> None:
    file = folder / "mine.py"
    file.write_text(FILE.format(name="mine", version=1))
    assert task_type_named("mine").source == "file"

    file.write_text(FILE.format(name="mine", version=22))
    assert task_type_named("mine").version == 22

    file.unlink()
    assert "mine" not in names()


@pytest.mark.req("TQ-13")
def test_a_broken_file_is_told_and_the_others_are_there(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "broken.py").write_text("def (")
    (folder / "mine.py").write_text(FILE.format(name="mine", version=1))

    assert "mine" in names()
    assert [problem.where for problem in task_type_problems()] == ["broken.py"]
    assert "broken.py" in caplog.text


@pytest.mark.req("TQ-13")
def test_a_file_that_everybody_can_write_is_not_read(folder: Path) -> None:
    file = folder / "mine.py"
    file.write_text(FILE.format(name="mine", version=1))
    file.chmod(0o666)

    assert "mine" not in names()
    assert "everybody" in task_type_problems()[0].message


@pytest.mark.req("TQ-13")
def test_a_file_of_another_user_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "mine.py").write_text(FILE.format(name="mine", version=1))
    monkeypatch.setattr(os, "geteuid", lambda: 4242)

    assert "mine" not in names()


@pytest.mark.req("TQ-11")
def test_packages_are_found_after_a_reload(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "packaged_tasks.py").write_text(FILE.format(name="packaged", version=1))
    monkeypatch.syspath_prepend(str(tmp_path))
    info = tmp_path / "packaged-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: packaged\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[taskmapr.tasks]\npackaged = packaged_tasks\n")

    call_command("reload_tasks")

    assert task_type_named("packaged").source == "entry_point"
    assert "types of tasks" in capsys.readouterr().out
    monkeypatch.undo()
    catalogues._packaged._known.clear()
    task_types_reload()
    assert "packaged" not in names()


@pytest.mark.req("TQ-08")
def test_operators_switch_types_off() -> None:
    task_definitions_note()
    row = TaskDefinition.objects.get(name="test_task")
    row.is_enabled = False
    saved(row)

    with pytest.raises(TaskDisabled):
        task_type_to_assign("test_task", None)
    assert not task_type_named("test_task").enabled


@pytest.mark.req("TQ-08", "TQ-12")
def test_what_is_made_of_a_type_that_is_off_is_off() -> None:
    saved(alias("a-first"))
    task_definitions_note()
    TaskDefinition.objects.filter(name="test_task").update(is_enabled=False)
    saved(alias("z-last"))

    for name in ("a-first", "z-last"):
        with pytest.raises(TaskDisabled):
            task_type_to_assign(name, None)


@pytest.mark.req("TQ-08")
def test_an_unknown_name_tells_those_that_are_there() -> None:
    with pytest.raises(UnknownTaskType) as refused:
        task_type_to_assign("nope", None)
    assert "test_task" in refused.value.details["available"]
    assert refused.value.details["available"] == sorted(refused.value.details["available"])


@pytest.mark.req("TQ-09")
@pytest.mark.parametrize(
    ("scopes", "listed", "may"),
    [
        ({"tasks:assign"}, None, True),
        ({"tasks:read"}, None, False),
        ({"tasks:assign"}, ("test_*",), True),
        ({"tasks:assign"}, ("approve_batches",), False),
    ],
)
def test_a_key_sees_what_it_may_assign(
    scopes: set[str], listed: tuple[str, ...] | None, may: bool
) -> None:
    credential = Credential(
        kind="api_key", ref="key:1", scopes=frozenset(scopes), task_types=listed
    )

    assert ("test_task" in {made.name for made in task_types_for(credential)}) is may


def test_the_way_of_a_known_type_asks_no_store(
    of_type: OfType, django_assert_num_queries: Any
) -> None:
    def work(params: dict[str, Any], ctx: TaskContext) -> None: ...

    of_type(work)
    with django_assert_num_queries(0):
        assert selecting.task_type_of_run("trial", {}).name == "trial"
    assert not Run.objects.exists()
