"""What operators may write down as a sequence, and what is refused when they save it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from orchestration.models import TaskDefinition
from orchestration.selectors import task_types as selecting
from orchestration.selectors.intents import Caller, intents_for
from orchestration.selectors.task_types import (
    catalogues,
    task_type_named,
    task_type_problems,
    task_type_to_assign,
)
from orchestration.sequences.plans import DEPTH_MOST, STEPS_MOST
from orchestration.services.task_types import task_definition_save
from taskmapr.core.errors import InvalidInput, TaskDisabled, UnknownTaskType
from taskmapr.core.task_types import TaskType
from taskmapr.users.credentials import Credential

pytestmark = [pytest.mark.django_db, pytest.mark.req("TQ-12")]

CLOSED = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"town": {"type": "string"}},
}
FIRST = {"name": "first", "type": "test_task"}
CALL = {"name": "call", "type": "http_request"}


@pytest.fixture(autouse=True)
def _looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selecting, "LOOK_EVERY_S", 0.0)
    catalogues.forget()


def saved(content: Any, name: str = "chain", kind: str = "sequence", **fields: Any) -> TaskType:
    made = TaskDefinition(name=name, kind=kind, content=content, **fields)
    task_definition_save(definition=made, by="root")
    catalogues.forget()
    return task_type_named(name)


def second(**params: Any) -> dict[str, Any]:
    return {"steps": [FIRST, {"name": "second", "type": "test_task", "params": params}]}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({}, "steps: at least one is needed"),
        ({"steps": []}, "steps: at least one is needed"),
        ({"steps": {"a": FIRST}}, "steps: at least one is needed"),
        ({"steps": [FIRST] * (STEPS_MOST + 1)}, f"steps: at most {STEPS_MOST}"),
        ({"steps": ["first"]}, "steps.1: must be an object"),
        ({"steps": [{"type": "test_task"}]}, "steps.1.name: a letter, then"),
        ({"steps": [{"name": "a b", "type": "test_task"}]}, "steps.1.name: a letter, then"),
        ({"steps": [{"name": "a"}]}, "steps.1.type: is needed"),
        ({"steps": [{**FIRST, "params": [1]}]}, "steps.1.params: must be an object"),
        ({"steps": [{**FIRST, "on_error": "retry"}]}, "steps.1.on_error: must be stop or continue"),
        ({"steps": [FIRST, FIRST]}, "steps.2.name: is taken"),
        ({"steps": [{"name": "a", "type": "none"}]}, "steps.1.type: there is no type 'none'"),
        (second(x="{{ steps.third.output }}"), "steps.2.params.x: steps.third: is no earlier step"),
        (second(x="{{ steps.second.output }}"), "steps.2.params.x: steps.second: is no earlier"),
        (second(x=["{{ steps.first.result }}"]), "steps.2.params.x.0: steps.first.result: of a"),
        (second(x="{{ steps.first }}"), "steps.2.params.x: 'steps.first': must look like"),
        (second(x="{{ town }}"), "steps.2.params.x: 'town': must look like"),
        (second(x="{{ params.town"), "steps.2.params.x: '{{': must look like"),
        (second(x="{{ params.city }}"), "steps.2.params.x: params.city: is none of the parameters"),
        (second(steps="many"), "steps.2.params.steps: 'many' is not of type 'integer'"),
        (second(steps="many", x="{{ params.town }}"), "steps.2.params.steps: 'many' is not"),
        ({"steps": [{"name": "a", "type": "intent"}]}, "steps.1.params: 'intent' is a required"),
        (
            {"steps": [{"name": "a", "type": "intent", "params": {"inputs": "{{ params }}"}}]},
            "steps.1.params: 'intent' is needed",
        ),
        (
            {"steps": [{**CALL, "params": {"url": "{{ params.town }}", "x": 1}}]},
            "steps.1.params: 'x' is unknown",
        ),
    ],
)
def test_what_no_task_could_do_is_refused_with_its_place(content: Any, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        saved(content, params_schema=CLOSED)

    fields = refused.value.details["fields"]
    assert [f["path"] for f in fields] == ["content"] * len(fields)
    assert fields[0]["message"].startswith(told)
    assert not TaskDefinition.objects.filter(name="chain").exists()


def test_what_is_filled_in_later_is_not_judged_before() -> None:
    made = saved(second(steps="{{ steps.first.output.echo.n }}", x=["{{ params.any }}"]))

    assert [plan.name for plan in made.steps] == ["first", "second"]


def test_a_sequence_is_as_dangerous_and_as_well_guarded_as_its_steps(
    of_type: Callable[..., TaskType],
) -> None:
    of_type(lambda params, ctx: None, name="risky", danger="dangerous")
    catalogues.forget()
    call = {"name": "b", "type": "intent", "params": {"intent": "memory.search"}}

    made = saved({"steps": [{"name": "a", "type": "risky"}, call]}, danger="read")

    assert made.danger == "dangerous"
    assert set(made.scopes) == {"tasks:assign", "intents:run"}
    key = Credential(kind="api_key", ref="key:1", scopes=frozenset({"tasks:assign"}))
    with pytest.raises(UnknownTaskType):
        task_type_to_assign("chain", key)


def test_a_sequence_is_off_with_each_of_its_steps() -> None:
    saved({"steps": [FIRST]})
    TaskDefinition.objects.create(name="test_task", kind="code", is_enabled=False)
    catalogues.forget()

    with pytest.raises(TaskDisabled):
        task_type_to_assign("chain", None)


@pytest.mark.parametrize("leads_to", ["a", "b"])
def test_what_leads_back_to_itself_is_refused(leads_to: str) -> None:
    saved({"steps": [FIRST]}, name="a")
    saved({"steps": [{"name": "x", "type": "a"}]}, name="b")
    row = TaskDefinition.objects.get(name="a")
    row.content = {"steps": [{"name": "x", "type": leads_to}]}

    with pytest.raises(InvalidInput) as refused:
        task_definition_save(definition=row, by="root")

    assert "lead back to the sequence itself" in str(refused.value.details)


def test_two_that_were_saved_at_once_and_lead_to_each_other_are_no_types() -> None:
    for name, other in (("a", "b"), ("b", "a")):
        steps = {"steps": [{"name": "x", "type": other}]}
        TaskDefinition.objects.create(name=name, kind="sequence", content=steps)
    catalogues.forget()

    told = {problem.where: problem.message for problem in task_type_problems()}

    assert told == dict.fromkeys("ab", "its steps lead back to itself")
    with pytest.raises(UnknownTaskType):
        task_type_named("a")


def test_an_alias_leads_to_no_sequence() -> None:
    saved({"steps": [FIRST]})

    with pytest.raises(InvalidInput) as refused:
        saved({"type": "chain"}, name="short", kind="alias")

    assert "is written down by an operator itself" in str(refused.value.details)


def test_sequences_lie_within_each_other_to_a_depth() -> None:
    saved({"steps": [FIRST]}, name="s1")
    for depth in range(2, DEPTH_MOST + 1):
        saved({"steps": [{"name": "x", "type": f"s{depth - 1}"}]}, name=f"s{depth}")

    with pytest.raises(InvalidInput) as refused:
        saved({"steps": [{"name": "x", "type": f"s{DEPTH_MOST}"}]})

    assert "at most 3 sequences within each other" in str(refused.value.details)


def test_one_order_becomes_a_bounded_number_of_tasks() -> None:
    many = [{"name": f"x{n}", "type": "test_task"} for n in range(STEPS_MOST)]
    saved({"steps": many}, name="inner")
    fan = [{"name": f"x{n}", "type": "inner"} for n in range(5)]

    with pytest.raises(InvalidInput) as refused:
        saved({"steps": fan})

    assert "at most 100 steps" in str(refused.value.details)
    assert len(saved({"steps": fan[:4]}).steps) == 4


@pytest.mark.req("IN-06")
def test_a_sequence_is_no_intent(ada: Any) -> None:
    saved({"steps": [FIRST]})

    caller = Caller(user=ada, credential=Credential(kind="session", ref="user:1"))
    names = {line.name for line in intents_for(caller)}

    assert "task.test_task" in names
    assert "task.chain" not in names
