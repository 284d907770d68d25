"""Which workflow carries out an intent, and what is sent to it. Nothing is sent here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, cast
from urllib.parse import quote, urlsplit

from django.conf import settings

from orchestration.models import FlowMapping
from orchestration.selectors.flow_mappings import flow_mappings
from taskmapr.core.errors import NotConfigured

Engine = Literal["n8n", "activepieces", "http"]

ANY_OBJECT: Final[Mapping[str, Any]] = {"type": "object"}
_NOT_IN_PATHS: Final = re.compile(r"[._/]+")
#: In the place of a mapping: the intent as one part of a path.
INTENT: Final = "{intent}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowTarget:
    """A workflow as an intent found it. Goes into the run's input (`as_json`), so that the run
    keeps what it began with; holds no secret."""

    engine: Engine
    #: n8n: path below the base, empty: made of the intent. ActivePieces: flow id. http: a URL.
    place: str = ""
    method: str = "POST"
    #: Empty: as the environment says for this engine.
    auth_header: str = ""
    #: Name in the secret store; empty: as the environment says for this engine.
    secret: str = ""
    input_schema: Mapping[str, Any] = field(default_factory=lambda: ANY_OBJECT)
    #: False: the workflow takes the work and answers later.
    is_synchronous: bool = True
    #: From sending to the answer, waiting included.
    timeout_s: float = 120.0
    #: The workflow may be called again when nobody knows what became of the first call.
    is_retry_safe: bool = False
    #: Why this one: `mapping gmail.*`, `default`.
    source: str = "default"
    description: str = ""

    @property
    def service(self) -> str:
        """The name of its circuit."""
        if self.engine != "http":
            return f"flow:{self.engine}"
        return f"flow:{urlsplit(self.place).netloc}"

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "input_schema": dict(self.input_schema)}

    @classmethod
    def of_json(cls, stored: Mapping[str, Any]) -> FlowTarget:
        """Members that this version does not know are left out."""
        known = {name: stored[name] for name in cls.__slots__ if name in stored}
        return cls(**known)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowIntent:
    """A flow as lists of intents show it."""

    name: str
    description: str
    inputs_schema: Mapping[str, Any]
    source: str


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


_TIME: Final = {"type": "string", "description": "ISO 8601, or a span such as 24h"}

_DEFAULTS: Final = (
    FlowIntent(
        name="gmail.triage",
        description="Sort the mail that came in since a time.",
        inputs_schema=_object(since=_TIME),
        source="default",
    ),
    FlowIntent(
        name="slack.summarize",
        description="Summarize what was said in a channel since a time.",
        inputs_schema=_object(channel={"type": "string"}, since=_TIME),
        source="default",
    ),
    FlowIntent(
        name="calendar.schedule",
        description="Find a time for a meeting and invite its attendees.",
        inputs_schema=_object(
            title={"type": "string"},
            attendees={"type": "array", "items": {"type": "string"}},
            duration_min={"type": "integer", "minimum": 1},
            window={"type": "string", "description": "When, such as next week"},
        ),
        source="default",
    ),
)
#: Beginnings of names that are flows without anybody saying so.
DEFAULT_PATTERNS: Final = ("gmail.*", "slack.*", "calendar.*")


# Choosing ----------------------------------------------------------------------------------------


def flow_for(intent: str) -> FlowTarget | None:
    """The workflow of an intent: its mapping, else for the usual names the one that n8n has by that
    name. None: no flow carries this out. Asks the database at most every 2 s.

    That there is a flow does not say that its engine is configured: see `flow_check`.
    """
    mapping = best_mapping(intent, flow_mappings())
    if mapping is not None:
        return target_of(mapping) if mapping.is_enabled else None
    is_usual = any(_fits(pattern, intent) for pattern in DEFAULT_PATTERNS)
    return flow_default(intent) if is_usual else None


def flow_mapped(intent: str) -> FlowTarget | None:
    """The same, but only what operators mapped."""
    mapping = best_mapping(intent, flow_mappings())
    return target_of(mapping) if mapping is not None and mapping.is_enabled else None


def flow_default(intent: str) -> FlowTarget:
    """What n8n has under the name of the intent."""
    known = next((default for default in _DEFAULTS if default.name == intent), None)
    return FlowTarget(
        engine="n8n",
        timeout_s=settings.TASKMAPR["flow_timeout_s"],
        input_schema=known.inputs_schema if known else ANY_OBJECT,
        description=known.description if known else "",
    )


def best_mapping(intent: str, mappings: Iterable[FlowMapping]) -> FlowMapping | None:
    """The one with this very name, else the one with the longest beginning."""
    fitting = [m for m in mappings if _fits(m.pattern, intent)]
    return max(fitting, key=lambda m: (m.pattern == intent, len(m.pattern)), default=None)


def target_of(mapping: FlowMapping) -> FlowTarget:
    default: float = settings.TASKMAPR["flow_timeout_s"]
    return FlowTarget(
        engine=cast("Engine", mapping.engine),
        place=mapping.place,
        method=mapping.method,
        auth_header=mapping.auth_header,
        secret=mapping.secret,
        input_schema=mapping.input_schema or ANY_OBJECT,
        is_synchronous=mapping.is_synchronous,
        timeout_s=mapping.timeout_s or default,
        is_retry_safe=mapping.is_retry_safe,
        source=f"mapping {mapping.pattern}",
        description=mapping.description,
    )


def flow_intents() -> list[FlowIntent]:
    """Flows that can be named: enabled mappings of whole names, and the usual intents while n8n is
    configured, unless a mapping says otherwise of them."""
    mappings = flow_mappings()
    named = [
        FlowIntent(
            name=m.pattern,
            description=m.description,
            inputs_schema=m.input_schema or ANY_OBJECT,
            source=f"mapping {m.pattern}",
        )
        for m in mappings
        if m.is_enabled and not m.pattern.endswith("*")
    ]
    usual = [d for d in default_flow_intents() if best_mapping(d.name, mappings) is None]
    return sorted([*named, *usual], key=lambda flow: flow.name)


def default_flow_intents() -> tuple[FlowIntent, ...]:
    """The usual intents; none while no n8n is configured."""
    return _DEFAULTS if settings.TASKMAPR["n8n_base"] else ()


def _fits(pattern: str, intent: str) -> bool:
    return intent.startswith(pattern[:-1]) if pattern.endswith("*") else intent == pattern


# Sending -----------------------------------------------------------------------------------------


def flow_check(flow: FlowTarget) -> None:
    """Raises NotConfigured, which names the variable that is missing."""
    if flow.engine == "n8n" and not settings.TASKMAPR["n8n_base"]:
        raise NotConfigured("No workflow engine is configured: set N8N_WEBHOOK_BASE.")
    if flow.engine == "activepieces" and not settings.TASKMAPR["activepieces_base"]:
        raise NotConfigured("ActivePieces is not configured: set ACTIVEPIECES_BASE.")


def flow_url(flow: FlowTarget, intent: str) -> str:
    """Where the call goes. What comes from the intent is one encoded part of the path, so it can
    change neither the host nor the folder. Raises NotConfigured."""
    flow_check(flow)
    part = quote(slug_of(intent), safe="")
    place = flow.place.replace(INTENT, part)
    match flow.engine:
        case "n8n":
            return f"{settings.TASKMAPR['n8n_base']}/{place.lstrip('/') or part}"
        case "activepieces":
            tail = "/sync" if flow.is_synchronous else ""
            base = settings.TASKMAPR["activepieces_base"]
            return f"{base}/webhooks/{quote(place, safe='')}{tail}"
        case "http":
            return place


def slug_of(intent: str) -> str:
    """`gmail.triage` → `gmail-triage`."""
    return _NOT_IN_PATHS.sub("-", intent).lower()


def flow_auth(flow: FlowTarget, secret: str) -> dict[str, str]:
    """The header that says who calls. `secret`: the value that the flow's reference stands for."""
    ours = settings.TASKMAPR
    if secret:
        name = flow.auth_header or _OWN_HEADERS[flow.engine]
        return {name: _as_bearer(name, secret)}
    if flow.engine == "n8n" and ours["n8n_auth_token"]:
        name = flow.auth_header or ours["n8n_auth_header"]
        return {name: _as_bearer(name, ours["n8n_auth_token"])}
    if flow.engine == "activepieces" and ours["activepieces_api_key"]:
        return {"Authorization": f"Bearer {ours['activepieces_api_key']}"}
    return {}


_OWN_HEADERS: Final[Mapping[Engine, str]] = {
    "n8n": "X-N8N-Auth",
    "activepieces": "Authorization",
    "http": "Authorization",
}


def _as_bearer(name: str, value: str) -> str:
    """A bare token in `Authorization` gets its scheme."""
    needs_scheme = name.lower() == "authorization" and " " not in value
    return f"Bearer {value}" if needs_scheme else value


def flow_body(
    *,
    job_id: str,
    intent: str,
    inputs: Mapping[str, Any],
    context: Mapping[str, Any] | None,
    user_id: str,
    callback_url: str,
) -> dict[str, Any]:
    return {
        "intent": intent,
        "inputs": dict(inputs),
        "context": dict(context or {}),
        "job_id": job_id,
        "user_id": user_id,
        "callback_url": callback_url,
    }


def resume_url(job_id: str, token: str) -> str:
    """Where the workflow answers later."""
    return f"{settings.PUBLIC_URL}/jobs/{job_id}/resume?token={token}"
