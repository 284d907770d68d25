"""The steps of a sequence: read from what an operator wrote down, and checked.

Content: {"steps": [{"name", "type", "params": {}, "on_error": "stop" or "continue"}]}, in their
order. Problems are pairs of a path below the content and words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from orchestration.sequences.templates import Path, path_of, placeholders_in
from taskmapr.core.errors import InvalidInput
from taskmapr.core.task_types import StepPlan, TaskType

STEPS_MOST: Final = 20
#: Sequences within each other, the outermost one being the first.
DEPTH_MOST: Final = 3
#: Tasks that one order may become, with those of the sequences within.
TASKS_MOST: Final = 100
STOP, CONTINUE = "stop", "continue"
#: What is known of a step that is over.
KNOWN_OF_STEP: Final = frozenset({"output", "status", "error", "task_id"})

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")

Problem = tuple[str, str]
Find = Callable[[str], TaskType | None]


def plans_read(content: Mapping[str, Any]) -> tuple[StepPlan, ...]:
    """Raises InvalidInput when the steps are not shaped as they must be."""
    given = content.get("steps")
    if not isinstance(given, list) or not given:
        raise InvalidInput.of(("steps", "at least one is needed"))
    if len(given) > STEPS_MOST:
        raise InvalidInput.of(("steps", f"at most {STEPS_MOST}"))
    if problems := [found for n, step in enumerate(given, 1) for found in _misshapen(n, step)]:
        raise InvalidInput.of(*problems[:10])
    names = [step["name"] for step in given]
    twice = [(f"steps.{n}.name", "is taken") for n, x in enumerate(names, 1) if x in names[: n - 1]]
    if twice:
        raise InvalidInput.of(*twice)
    return tuple(
        StepPlan(
            name=step["name"],
            task_type=step["type"],
            params=step.get("params") or {},
            goes_on=step.get("on_error") == CONTINUE,
        )
        for step in given
    )


def _misshapen(number: int, step: Any) -> Iterator[Problem]:
    at = f"steps.{number}"
    if not isinstance(step, Mapping):
        yield at, "must be an object"
        return
    if not isinstance(step.get("name"), str) or not _NAME.fullmatch(step["name"]):
        yield f"{at}.name", "a letter, then letters, digits, - and _, 40 at most, are needed"
    if not isinstance(step.get("type"), str) or not step["type"]:
        yield f"{at}.type", "is needed"
    if not isinstance(step.get("params") or {}, Mapping):
        yield f"{at}.params", "must be an object"
    if step.get("on_error", STOP) not in (STOP, CONTINUE):
        yield f"{at}.on_error", f"must be {STOP} or {CONTINUE}"


def plans_check(plans: Sequence[StepPlan], schema: Mapping[str, Any], find: Find) -> None:
    """What every task would fail with. schema: of the sequence's own parameters.

    Raises InvalidInput: a type that is not there, a placeholder that can never be filled, a
    parameter that the step's type would refuse.
    """
    problems: list[Problem] = []
    for number, plan in enumerate(plans, 1):
        at = f"steps.{number}"
        found = find(plan.task_type)
        if found is None:
            problems.append((f"{at}.type", f"there is no type {plan.task_type!r}"))
        problems += (
            (f"{at}.{'.'.join(('params', *where))}", told)
            for where, told in _unfillable(plan, [p.name for p in plans[: number - 1]], schema)
        )
        if found is not None:
            problems += ((f"{at}.{path}", told) for path, told in _refused(plan, found))
    if problems:
        raise InvalidInput.of(*problems[:10])


def _unfillable(
    plan: StepPlan, earlier: Collection[str], schema: Mapping[str, Any]
) -> Iterator[tuple[Path, str]]:
    for where, placeholder in placeholders_in(plan.params):
        if told := unfillable(placeholder, schema, earlier):
            yield where, told


def unfillable(
    placeholder: str, schema: Mapping[str, Any], earlier: Collection[str] | None = None
) -> str:
    """Why this placeholder can never be filled; empty when it may be.

    schema: of the parameters. earlier: names of steps that are over by then; None: there are no
    steps here.
    """
    match path_of(placeholder):
        case ("params",):
            return ""
        case ("params", name, *_):
            is_known = _may_be_given(name, schema)
            return "" if is_known else f"params.{name}: is none of the parameters"
        case ("steps", name, part, *_) if earlier is not None:
            if name not in earlier:
                return f"steps.{name}: is no earlier step"
            known = ", ".join(sorted(KNOWN_OF_STEP))
            told = f"steps.{name}.{part}: of a step are known: {known}"
            return "" if part in KNOWN_OF_STEP else told
    shapes = "{{ params.… }}" if earlier is None else "{{ params.… }} or {{ steps.name.output.… }}"
    return f"{placeholder or '{{'!r}: must look like {shapes}"


def _may_be_given(name: str, schema: Mapping[str, Any]) -> bool:
    is_closed = schema.get("additionalProperties") is False and "patternProperties" not in schema
    return not is_closed or name in schema.get("properties", {})


def _refused(plan: StepPlan, task_type: TaskType) -> Iterator[Problem]:
    """What the type says against parameters that are known already. What is filled in later can
    not be judged, nor what a rule says of a whole that has such a part."""
    open_paths = {where for where, _ in placeholders_in(plan.params)}
    schema = task_type.params_schema
    given = {**task_type.defaults, **plan.params}
    if not open_paths:
        with_defaults = {
            name: member["default"]
            for name, member in schema.get("properties", {}).items()
            if isinstance(member, Mapping) and "default" in member
        }
        yield from task_type.problems_of({**with_defaults, **given})
        return
    for name in schema.get("required", ()):
        if name not in given and "default" not in schema.get("properties", {}).get(name, {}):
            yield "params", f"{name!r} is needed"
    yield from (
        ("params", f"{n!r} is unknown") for n in plan.params if not _may_be_given(n, schema)
    )
    for path, told in task_type.problems_of(given):
        where = tuple(path.split("."))[1:]
        if where and not any(found[: len(where)] == where for found in open_paths):
            yield path, told


def kept_types(name: str, plans: Sequence[StepPlan], find: Find) -> dict[str, Any]:
    """What operators wrote down of the types of these steps, and of those within them, by name: so
    that a task has them as they were. `name`: of the sequence.

    Raises InvalidInput when the steps lead back to it, or to too many tasks.
    """
    kept: dict[str, Any] = {}
    for plan in plans:
        found = find(plan.task_type)
        if found is not None and found.definition is not None:
            kept |= found.definition.get("types") or {}
            kept[plan.task_type] = {n: v for n, v in found.definition.items() if n != "types"}
    if name in kept or any(plan.task_type == name for plan in plans):
        raise InvalidInput.of(("steps", "lead back to the sequence itself"))
    depth, tasks = _extent(plans, kept)
    if depth > DEPTH_MOST:
        raise InvalidInput.of(("steps", f"at most {DEPTH_MOST} sequences within each other"))
    if tasks > TASKS_MOST:
        raise InvalidInput.of(("steps", f"with those within, at most {TASKS_MOST} steps"))
    return kept


def _extent(plans: Sequence[StepPlan], kept: Mapping[str, Any]) -> tuple[int, int]:
    """(sequences within each other, steps in all). What is kept leads nowhere twice."""
    within = [
        _extent(plans_read(kept[plan.task_type]["content"]), kept)
        for plan in plans
        if kept.get(plan.task_type, {}).get("kind") == "sequence"
    ]
    deepest = max((depth for depth, _ in within), default=0)
    return 1 + deepest, len(plans) + sum(tasks for _, tasks in within)
