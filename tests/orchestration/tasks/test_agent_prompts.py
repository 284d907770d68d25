"""Tasks that ask a model: `agent_prompt`, and the types of operators of that kind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from orchestration.models import TaskDefinition
from orchestration.selectors.task_types import task_type_named
from orchestration.services.task_types import task_definition_save, task_types_reload
from orchestration.task_types.agent_prompt import agent_prompt
from taskmapr.core import wired
from taskmapr.core.errors import InvalidInput, ModelFailed
from tests.orchestration.engines.conversing import ScriptedModel, Turn, prompts
from tests.orchestration.logs import assert_replay_equals_row
from tests.orchestration.tasks.conftest import Execute

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_url")]

COLLECTIONS = "knowledge.list_knowledge_collections"
CALLS = Turn(calls=[("knowledge_list_knowledge_collections", {})])
ANSWERS = Turn(text=["There are ", "none."])


@pytest.fixture(autouse=True)
def model(ports: wired.Ports) -> Iterator[ScriptedModel]:
    model = ScriptedModel(ANSWERS)
    wired.wire(replace(ports, model=lambda endpoint: model))
    yield model
    task_types_reload()


@pytest.fixture
def defined() -> Callable[..., None]:
    """A type of operators that asks a model."""

    def define(schema: dict[str, Any] | None = None, **content: Any) -> None:
        given = {"instructions": "Count what is there.", **content}
        row = TaskDefinition(
            name="counting", kind="agent_prompt", content=given, params_schema=schema or {}
        )
        task_definition_save(definition=row, by="root")
        task_types_reload()

    return define


def offered(model: ScriptedModel) -> set[str]:
    return {tool.name for tool in model.requests[-1].tools}


@pytest.mark.req("TQ-34", "IN-13")
def test_a_model_that_may_not_be_asked_for_is_not_replaced_by_another(
    execute: Execute, model: ScriptedModel
) -> None:
    ended = execute("agent_prompt", {"prompt": "Count.", "model": "unheard-of"})

    assert (ended.run.status, ended.run.error_code) == ("failed", "validation_error")
    assert "may not be asked for" in ended.run.error_message
    assert model.requests == []


@pytest.mark.req("TQ-34")
def test_a_model_answers_and_what_it_called_is_told(execute: Execute, model: ScriptedModel) -> None:
    model.turns = [CALLS, ANSWERS]

    ended = execute(
        "agent_prompt",
        {"prompt": "What is there?", "instructions": "Be brief.", "tools": ["knowledge.*"]},
    )

    assert ended.end == ("succeeded", ""), ended.run.error_message
    assert ended.result == {"text": "There are none.", "tools": [COLLECTIONS]}
    assert prompts(model.requests[0]) == ["What is there?"]
    assert model.requests[0].instructions.endswith("Be brief.")
    assert [call["ok"] for call in ended.of("tool.completed")] == [True]
    assert (ended.run.input_tokens, ended.run.output_tokens) == (200, 20)
    assert_replay_equals_row(ended.run)


@pytest.mark.req("TQ-34")
@pytest.mark.parametrize(
    ("intents", "tools", "is_offered"),
    [
        (None, None, True),
        (None, ["memory.*"], False),
        (["memory.*"], None, False),
        (["memory.*"], ["knowledge.*"], False),
        ([COLLECTIONS], ["knowledge.*"], True),
    ],
)
def test_only_what_was_named_and_the_key_is_for_is_offered(
    execute: Execute, model: ScriptedModel, intents: Any, tools: Any, is_offered: bool
) -> None:
    params = {"prompt": "What?", **({"tools": tools} if tools else {})}

    assert execute("agent_prompt", params, {"intents": intents}).end == ("succeeded", "")

    assert ("knowledge_list_knowledge_collections" in offered(model)) is is_offered


@pytest.mark.req("TQ-34")
@pytest.mark.parametrize(
    ("intents", "name"), [(None, "knowledge.no_such_tool"), (["memory.*"], COLLECTIONS)]
)
def test_a_tool_that_is_named_and_cannot_be_given_is_told(
    execute: Execute, model: ScriptedModel, intents: Any, name: str
) -> None:
    params = {"prompt": "What?", "tools": ["memory.*", name]}

    ended = execute("agent_prompt", params, {"intents": intents})

    assert (ended.run.status, ended.run.error_code) == ("failed", "validation_error")
    assert f"given {name} here" in ended.run.error_message
    assert model.requests == []


@pytest.mark.req("TQ-34", "TQ-15")
def test_what_was_called_is_not_called_again_by_another_attempt(
    execute: Execute, model: ScriptedModel
) -> None:
    """Also not by the model's own few attempts, which come first."""
    busy = [Turn(failure=ModelFailed("busy", retry_after_s=0)) for _ in range(8)]
    model.turns = [CALLS, *busy, ANSWERS]

    ended = execute("agent_prompt", {"prompt": "What?"}, {"max_retries": 8})

    assert ended.end == ("succeeded", ""), ended.run.error_message
    assert ended.of("run.retrying")
    assert len(ended.of("tool.completed")) == 1
    assert [m["role"] for m in model.requests[-1].messages] == ["user", "assistant", "tool"]


@pytest.mark.req("TQ-16", "TQ-34")
def test_it_has_its_time(execute: Execute, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ScriptedModel, "respond", _never)

    ended = execute("agent_prompt", {"prompt": "What?"}, {"timeout_s": 0.2})

    assert ended.end == ("timed_out", "time_limit")


async def _never(*args: Any) -> Any:
    await asyncio.Event().wait()


@pytest.mark.req("TQ-12")
def test_an_operator_names_instructions_and_tools(
    execute: Execute, model: ScriptedModel, defined: Callable[..., None]
) -> None:
    defined(tools=["knowledge.*"])

    ended = execute("counting", task_type_named("counting").params_of({"prompt": "Documents"}))

    assert ended.end == ("succeeded", ""), ended.run.error_message
    assert prompts(model.requests[0]) == ["Documents"]
    assert model.requests[0].instructions.endswith("Count what is there.")
    assert offered(model)
    assert all(name.startswith("knowledge") for name in offered(model))


@pytest.mark.req("TQ-12")
def test_tools_that_no_operator_named_are_not_called(
    execute: Execute, model: ScriptedModel, defined: Callable[..., None]
) -> None:
    defined()

    assert execute("counting", {"prompt": "Documents"}).end == ("succeeded", "")
    assert offered(model) == set()


@pytest.mark.req("TQ-12")
def test_parameters_of_another_schema_are_read_as_json(
    execute: Execute, model: ScriptedModel, defined: Callable[..., None]
) -> None:
    defined(schema={"type": "object", "properties": {"year": {"type": "integer"}}})

    assert execute("counting", {"year": 2026}).end == ("succeeded", "")
    assert prompts(model.requests[0]) == ['{\n  "year": 2026\n}']


@pytest.mark.req("TQ-12")
def test_an_alias_keeps_what_it_presets(execute: Execute, model: ScriptedModel) -> None:
    content = {"type": "agent_prompt", "params": {"instructions": "Rhyme.", "tools": []}}
    row = TaskDefinition(name="rhyming", kind="alias", content=content)
    task_definition_save(definition=row, by="root")
    task_types_reload()

    assert execute("rhyming", {"prompt": "Sea"}).end == ("succeeded", "")
    assert model.requests[0].instructions.endswith("Rhyme.")
    assert offered(model) == set()


@pytest.mark.req("TQ-34", "TQ-08")
@pytest.mark.parametrize("params", [{}, {"prompt": ""}, {"prompt": "a", "tools": "memory.*"}])
def test_what_is_no_prompt_is_refused(params: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        agent_prompt.params_of(params)
