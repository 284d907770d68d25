"""Saving what operators say about workflows."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import jsonschema
from django.db import transaction

from agents_cfg.selectors.fresh import fresh
from agents_cfg.services.secrets import secret_names
from orchestration.models import FlowMapping
from orchestration.models.flow_mapping import FlowEngine
from taskmapr.core.errors import InvalidInput

logger = logging.getLogger(__name__)

_PATTERN: Final = re.compile(r"\*|[A-Za-z0-9][A-Za-z0-9_.:/-]{0,126}\*?")
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PATH: Final = re.compile(r"[A-Za-z0-9_.~/{}-]*")
#: What a mapping must not change.
_OURS: Final = frozenset(
    {"content-type", "content-length", "host", "idempotency-key", "transfer-encoding"}
)

Problem = tuple[str, str]


@transaction.atomic
def flow_mapping_save(*, mapping: FlowMapping, by: str) -> FlowMapping:
    """Store a mapping; it holds in every process within seconds. `by`: who did it, for the log.

    Raises InvalidInput.
    """
    flow_mapping_check(mapping)
    is_new = mapping._state.adding
    mapping.save()
    logger.info("flow mapping %s %s by %s", mapping.pattern, "added" if is_new else "changed", by)
    transaction.on_commit(fresh.forget)
    return mapping


def flow_mapping_check(mapping: FlowMapping) -> None:
    """Raises InvalidInput with every member that cannot be."""
    problems = [
        *_pattern_problems(mapping),
        *_place_problems(mapping),
        *_auth_problems(mapping),
        *_schema_problems(mapping.input_schema),
    ]
    if problems:
        raise InvalidInput.of(*problems)


def _pattern_problems(mapping: FlowMapping) -> list[Problem]:
    if _PATTERN.fullmatch(mapping.pattern):
        return []
    return [("pattern", "is the name of an intent; * may stand at its end")]


def _place_problems(mapping: FlowMapping) -> list[Problem]:
    place = mapping.place.replace("{intent}", "")
    if mapping.engine == FlowEngine.HTTP:
        parts = urlsplit(mapping.place)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            return [("place", "must be an http or https address without a user")]
        return [("place", "the host stands fast")] if "{" in parts.netloc else []
    if mapping.engine == FlowEngine.ACTIVEPIECES and not place.strip():
        return [("place", "the id of the flow is needed")]
    if not _PATH.fullmatch(place) or "{" in place or ".." in place:
        return [("place", "is a path of plain characters; {intent} stands for the intent")]
    return []


def _auth_problems(mapping: FlowMapping) -> list[Problem]:
    problems = []
    name = mapping.auth_header
    if name and (not _HEADER.fullmatch(name) or name.lower() in _OURS):
        problems.append(("auth_header", "is no name for this header"))
    if mapping.secret and mapping.secret not in secret_names():
        problems.append(("secret", "there is no secret of this name"))
    if name and not mapping.secret and mapping.engine != FlowEngine.N8N:
        problems.append(("secret", "the header needs a value from the secret store"))
    return problems


def _schema_problems(schema: Any) -> list[Problem]:
    if not schema:
        return []
    if not isinstance(schema, Mapping) or schema.get("type") != "object":
        return [("input_schema", 'must describe an object: {"type": "object", …}')]
    try:
        jsonschema.Draft202012Validator.check_schema(dict(schema))
    except jsonschema.SchemaError as error:
        return [("input_schema", f"is no JSON Schema: {error.message[:200]}")]
    return []
