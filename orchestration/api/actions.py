"""The reduced API document with which other assistants learn to call intents (OpenAPI 3.1)."""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, JsonResponse

from orchestration.api.intents_described import COMPONENTS, FIRST_REQUEST
from taskmapr.core.json_schema import Schema, record, ref, text, whole

#: Longest description that the importers of such documents take.
DESCRIPTION_LENGTH: Final = 300

_ERROR: Final = record(
    {"code": text("What programs should look at."), "message": text("What happened.")},
    {"status": whole(), "title": text(), "details": {"type": "object", "properties": {}}},
)

_SCHEMAS: Final = (
    "OrchestrateRequest",
    "OrchestrateSuccess",
    "OrchestrateAccepted",
    "Job",
    "IntentList",
)


async def actions_json(request: HttpRequest) -> JsonResponse:
    return JsonResponse(actions_document(settings.PUBLIC_URL))


def actions_document(address: str) -> dict[str, Any]:
    """`address`: where this server is reached; importers want https."""
    schemas: dict[str, Schema] = {name: _short(COMPONENTS[name]) for name in _SCHEMAS}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "TaskMapr",
            "version": settings.VERSION,
            "description": "Runs named intents by tools, MCP servers and workflows.",
        },
        "servers": [{"url": _https(address)}],
        "paths": {
            "/orchestrate": {"post": _orchestrate()},
            "/jobs/{job_id}": {"get": _get_job()},
            "/intents": {"get": _list_intents()},
        },
        "components": {
            "schemas": {**schemas, "Error": _ERROR},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
        "security": [{"bearer": []}, {"apiKey": []}],
    }


def _https(address: str) -> str:
    return "https://" + address.partition("://")[2] if "://" in address else f"https://{address}"


def _orchestrate() -> dict[str, Any]:
    return {
        "operationId": "orchestrate",
        "summary": "Run an intent",
        "description": "Carries out a named intent, such as memory.write, with its inputs. Answers"
        " with the result, or with a job to look at later when it takes longer.",
        "x-openai-isConsequential": True,
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": ref("OrchestrateRequest"), "example": FIRST_REQUEST}
            },
        },
        "responses": {
            "200": _answer("It is done.", "OrchestrateSuccess"),
            "202": _answer("It goes on; look at the job.", "OrchestrateAccepted"),
            "default": _answer("It was refused, or failed.", "Error"),
        },
    }


def _get_job() -> dict[str, Any]:
    return {
        "operationId": "getJob",
        "summary": "Look at a job",
        "description": "How far a job is, and its result when it is done.",
        "x-openai-isConsequential": False,
        "parameters": [
            {
                "name": "job_id",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "pattern": "^job_[0-9a-f]{32}$"},
            }
        ],
        "responses": {
            "200": _answer("The job.", "Job"),
            "default": _answer("There is no such job.", "Error"),
        },
    }


def _list_intents() -> dict[str, Any]:
    return {
        "operationId": "listIntents",
        "summary": "List the intents",
        "description": "The intents that may be run, with the schemas of their inputs.",
        "x-openai-isConsequential": False,
        "responses": {
            "200": _answer("All of them.", "IntentList"),
            "default": _answer("It was refused.", "Error"),
        },
    }


def _answer(description: str, schema: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/json": {"schema": ref(schema)}},
    }


def _short(schema: Any) -> Any:
    """The schema with descriptions that importers take, and `properties` for every object."""
    if isinstance(schema, list):
        return [_short(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _short(value) for name, value in schema.items()}
    if isinstance(made.get("description"), str):
        made["description"] = made["description"][:DESCRIPTION_LENGTH]
    if made.get("type") == "object":
        made.setdefault("properties", {})
    return made
