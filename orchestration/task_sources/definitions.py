"""Types of tasks that operators wrote down: made from a snapshot of their definition."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from orchestration.sequences.plans import kept_types, plans_check, plans_read, unfillable
from orchestration.sequences.templates import filled, placeholders_in, text_filled, url_filled
from orchestration.task_types.agent_prompt import (
    INSTRUCTIONS_LENGTH,
    PROMPT,
    TOOLS_MOST,
    asked_of_a_model,
    text_of,
)
from orchestration.task_types.http_request import request_send
from orchestration.task_types.intent import tool_called
from taskmapr.core.errors import InvalidInput
from taskmapr.core.task_types import (
    ANY_OBJECT,
    ModelPrompt,
    TaskContext,
    TaskFunction,
    TaskType,
)

Snapshot = Mapping[str, Any]
#: Finds a type by name; None when there is none.
Find = Callable[[str], TaskType | None]


def type_of_definition(snapshot: Snapshot, find: Find) -> TaskType:
    """Raises InvalidInput when the definition makes no type (any more)."""
    try:
        return _MAKERS[snapshot["kind"]](snapshot, find)
    except ValueError as error:
        raise InvalidInput.of(("content", str(error))) from None


def _alias(snapshot: Snapshot, find: Find) -> TaskType:
    content = snapshot["content"]
    aliased = find(str(content.get("type")))
    if aliased is None or aliased.name == snapshot["name"]:
        raise InvalidInput.of(("content", f"type: there is no type {content.get('type')!r}"))
    if aliased.definition is not None:
        raise InvalidInput.of(("content", "type: is written down by an operator itself"))
    preset: dict[str, Any] = content.get("params") or {}
    schema = snapshot["params_schema"] or _without(aliased.params_schema, preset)
    return replace(
        aliased,
        **_said(snapshot) | {"concurrency": _tighter(aliased.concurrency, snapshot["concurrency"])},
        handler=_with_preset(aliased, preset),
        prompt=_prompt_with_preset(aliased, preset),
        params_schema=schema,
        queue=aliased.queue,
        is_idempotent=aliased.is_idempotent,
        timeout_s=min(snapshot["timeout_s"], aliased.timeout_s),
        max_retries=min(snapshot["max_retries"], aliased.max_retries),
        danger=aliased.danger,
    )


def _tighter(of_type: int, own: int) -> int:
    """The smaller limit; 0 is none."""
    return min(filter(None, (of_type, own)), default=0)


def _without(schema: Mapping[str, Any], preset: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of what is left to say. What is preset is not to be sent."""
    members = {n: s for n, s in schema.get("properties", {}).items() if n not in preset}
    required = [name for name in schema.get("required", ()) if name not in preset]
    return {**schema, "properties": members, "required": required}


def _with_preset(aliased: TaskType, preset: Mapping[str, Any]) -> TaskFunction:
    if aliased.is_async:

        async def perform_async(params: dict[str, Any], ctx: TaskContext) -> Any:
            return await aliased.handler(aliased.params_of({**params, **preset}), ctx)

        return perform_async

    def perform(params: dict[str, Any], ctx: TaskContext) -> Any:
        return aliased.handler(aliased.params_of({**params, **preset}), ctx)

    return perform


def _prompt_with_preset(
    aliased: TaskType, preset: dict[str, Any]
) -> Callable[[Mapping[str, Any]], ModelPrompt] | None:
    prompt_of = aliased.prompt
    if prompt_of is None:
        return None
    return lambda params: prompt_of(aliased.params_of({**params, **preset}))


def _intent(snapshot: Snapshot, find: Find) -> TaskType:
    name = snapshot["content"].get("intent")
    if not isinstance(name, str) or not name:
        raise InvalidInput.of(("content", "intent: is needed"))

    async def perform(params: dict[str, Any], ctx: TaskContext) -> Any:
        fixed = snapshot["content"].get("inputs") or {}
        return await tool_called(name, {**params, **fixed}, ctx)

    return _made(snapshot, perform, queue="agent")


def _http_request(snapshot: Snapshot, find: Find) -> TaskType:
    content = snapshot["content"]
    if not isinstance(content.get("url"), str):
        raise InvalidInput.of(("content", "url: is needed"))

    async def perform(params: dict[str, Any], ctx: TaskContext) -> Any:
        request = _request(content, params)
        return await request_send(request, ctx, secrets=content.get("secrets"))

    made = _made(snapshot, perform, queue="default")
    if problems := list(_request_problems(content, made.params_schema)):
        raise InvalidInput.of(*(("content", problem) for problem in problems))
    return made


def _request(content: Snapshot, params: dict[str, Any]) -> dict[str, Any]:
    known, method = {"params": params}, content.get("method", "GET")
    headers: Mapping[str, str] = content.get("headers") or {}
    own = params if method == "POST" else None
    return {
        "method": method,
        "url": url_filled(content["url"], known),
        "headers": {name: text_filled(text, known) for name, text in headers.items()},
        "body": filled(content["body"], known) if "body" in content else own,
    }


#: What comes before the first placeholder of an address: whoever assigns a task must not choose
#: whom it is sent to, with the secrets of its headers.
_HOST: Final = re.compile(r"https?://[^/?#{}]+[/?#]", re.IGNORECASE)


def _request_problems(content: Snapshot, schema: Snapshot) -> Iterator[str]:
    url: str = content["url"]
    if "{{" in url and not _HOST.match(url.partition("{{")[0]):
        yield "url: placeholders may stand behind the host only"
    headers = content.get("headers") or {}
    if not all(isinstance(text, str) for text in headers.values()):
        yield "headers: must be texts"
    for member in ("url", "headers", "body"):
        for where, placeholder in placeholders_in(content.get(member)):
            if told := unfillable(placeholder, schema):
                yield f"{'.'.join((member, *where))}: {told}"


def _agent_prompt(snapshot: Snapshot, find: Find) -> TaskType:
    content = snapshot["content"]
    if problems := list(_prompt_problems(content)):
        raise InvalidInput.of(*(("content", problem) for problem in problems))

    def prompt(params: Mapping[str, Any]) -> ModelPrompt:
        return ModelPrompt(
            text=text_of(params),
            instructions=content["instructions"],
            model=content.get("model"),
            # What an operator does not name is not called.
            tools=tuple(content.get("tools") or ()),
        )

    made = _made(snapshot, asked_of_a_model, queue="agent", prompt=prompt)
    return made if snapshot["params_schema"] else replace(made, params_schema=_LONE_PROMPT)


def _sequence(snapshot: Snapshot, find: Find) -> TaskType:
    """A snapshot that a task keeps holds the types of its steps (`types`): what has become of them
    since is the steps' own business."""
    try:
        plans = plans_read(snapshot["content"])
        made = _made(snapshot, _steps_only, queue="default", steps=plans)
        if "types" in snapshot:
            return made
        plans_check(plans, made.params_schema, find)
        types = kept_types(snapshot["name"], plans, find)
    except InvalidInput as error:
        fields = error.details["fields"]
        told = (("content", f"{field['path']}: {field['message']}") for field in fields)
        raise InvalidInput.of(*told) from None
    of_steps = [found for plan in plans if (found := find(plan.task_type)) is not None]
    return replace(
        made,
        definition={**snapshot, "types": types},
        danger=max((made.danger, *(t.danger for t in of_steps)), key=_DANGERS.index),
        scopes=tuple(dict.fromkeys(s for t in (made, *of_steps) for s in t.scopes)),
        enabled=all(t.enabled for t in of_steps),
    )


_DANGERS: Final = ("read", "write", "dangerous")


async def _steps_only(params: dict[str, Any], ctx: TaskContext) -> Any:
    raise NotImplementedError("its steps are tasks of their own")


def _prompt_problems(content: Mapping[str, Any]) -> Iterator[str]:
    instructions, tools = content.get("instructions"), content.get("tools") or []
    if not isinstance(instructions, str) or not 0 < len(instructions) <= INSTRUCTIONS_LENGTH:
        yield f"instructions: 1 to {INSTRUCTIONS_LENGTH} characters are needed"
    if not isinstance(tools, list) or not all(isinstance(tool, str) for tool in tools):
        yield "tools: must be a list of names or patterns"
    elif len(tools) > TOOLS_MOST:
        yield f"tools: at most {TOOLS_MOST}"
    if not isinstance(content.get("model"), str | None):
        yield "model: must be a name"


_LONE_PROMPT: Final = {
    "type": "object",
    "required": ["prompt"],
    "additionalProperties": False,
    "properties": {"prompt": PROMPT},
}


def _made(snapshot: Snapshot, handler: TaskFunction, **more: Any) -> TaskType:
    return TaskType(
        **_said(snapshot),
        **more,
        handler=handler,
        params_schema=snapshot["params_schema"] or dict(ANY_OBJECT),
        timeout_s=snapshot["timeout_s"],
        max_retries=snapshot["max_retries"],
        danger=snapshot["danger"],
    )


def _said(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "name": snapshot["name"],
        "title": snapshot["title"] or snapshot["name"],
        "description": snapshot["description"],
        "example": snapshot["example"],
        "concurrency": snapshot["concurrency"],
        "version": snapshot["version"],
        "source": "admin",
        "definition": dict(snapshot),
    }


_MAKERS: Final[dict[str, Callable[[Snapshot, Find], TaskType]]] = {
    "alias": _alias,
    "intent": _intent,
    "http_request": _http_request,
    "agent_prompt": _agent_prompt,
    "sequence": _sequence,
}
