"""How views are described in the API document: one line above each handler.

    @described("Stop a run", tag="Runs", answers={202: CANCELLED}, problems=(RunNotFound,))
    def post(self, request, run_id): ...

What follows from the view is added by itself: credentials and the problems of those, of bodies and
of limits. Whatever a handler raises on purpose is named in `problems`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from taskmapr.core import errors
from taskmapr.core.errors import TaskMaprError
from taskmapr.core.json_schema import (
    Schema,
    any_object,
    array,
    moment,
    record,
    ref,
    text,
    whole,
)
from taskmapr.foundation.problems import PROBLEM_JSON

Problems = Sequence[type[TaskMaprError]]
Handler = TypeVar("Handler", bound=Callable[..., Any])

#: Of every request, whatever it asks for.
ALWAYS: Final[Problems] = (
    errors.InvalidRequest,
    errors.PayloadTooLarge,
    TaskMaprError,
)
_OF_BODIES: Final[Problems] = (
    errors.InvalidJson,
    errors.UnsupportedMediaType,
    errors.InvalidInput,
)
_OF_LIMITS: Final[Problems] = (errors.TooMany,)
#: Refusals that only sign-in itself gives.
_OF_SIGN_IN: Final[Problems] = (errors.InvalidCredentials, errors.TokenReused)

_FIELD: Final = record({"path": text("Dotted, such as `config.model`."), "message": text()})

PROBLEM: Final = record(
    {
        "type": text("An address that explains the code to people.", format="uri"),
        "title": text("The same for every problem of this code."),
        "status": whole(minimum=400, maximum=599),
        "detail": text("What happened here; safe to show."),
        "instance": text("The path that was asked for."),
        "code": text("What programs should look at."),
        "error": text("Equal to `detail`."),
        "message": text("Equal to `detail`."),
        "details": {
            **any_object("With `validation_error`: which members were wrong."),
            "properties": {"fields": array(_FIELD), "run_id": text("The run that failed.")},
        },
        "request_id": text("As in the answer's `X-Request-Id`, and in the server's log."),
        "timestamp": moment(),
    },
    description="Every refusal and failure (RFC 9457).",
)


def described(
    summary: str,
    *,
    tag: str,
    answers: Mapping[int | tuple[int, str], Any],
    problems: Problems = (),
    body: Any = None,
    parameters: Sequence[OpenApiParameter] = (),
    examples: Sequence[OpenApiExample] = (),
) -> Callable[[Handler], Handler]:
    """Describe one handler of an APIView.

    answers: by status, or (status, media type): a schema, a serializer class or an OpenApiResponse.
    body: the same for the request; None: there is none.
    """

    def mark(handler: Handler) -> Handler:
        handler.__dict__.update(problems=tuple(problems), has_body=body is not None)
        decorate: Callable[[Handler], Handler] = extend_schema(
            summary=summary,
            tags=[tag],
            request={"application/json": body} if body is not None else None,
            responses=dict(answers),
            parameters=list(parameters),
            examples=list(examples),
        )
        return decorate(handler)

    return mark


def answer(schema: Schema, description: str) -> OpenApiResponse:
    return OpenApiResponse(response=schema, description=description)


class DescribedSchema(AutoSchema):
    """REST framework's DEFAULT_SCHEMA_CLASS."""

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is not None:
            operation["responses"] |= problem_responses(self._problems(operation))
            operation["description"] = f"{self.get_description()}\n\n{self._scopes()}".strip()
        return operation

    def get_operation_id(self) -> str:
        """`postOrchestrate`, `getRun`: stable names for generated clients."""
        name = type(self.view).__name__.removesuffix("View").removesuffix("Api")
        return f"{self.method.lower()}{name}"

    def _get_request_body(self, *args: Any, **kwargs: Any) -> Any:
        """Also of DELETE, which the library takes for a method without one."""
        if not getattr(self._handler, "has_body", True):
            return None
        method, self.method = self.method, "POST"
        try:
            return super()._get_request_body(*args, **kwargs)  # type: ignore[no-untyped-call]
        finally:
            self.method = method

    def _scopes(self) -> str:
        """Which API keys may; views say so themselves (`required_scope`)."""
        wanted = getattr(self.view, "required_scope", ())
        if isinstance(wanted, Mapping):
            wanted = wanted.get(self.method, ())
        named = [wanted] if isinstance(wanted, str) else wanted
        told = " or ".join(f"`{scope}`" for scope in named)
        return f"API keys need the scope {told}." if told not in ("", "`*`") else ""

    @property
    def _handler(self) -> Any:
        return getattr(self.view, self.method.lower())

    def _problems(self, operation: Mapping[str, Any]) -> Iterable[type[TaskMaprError]]:
        yield from (*ALWAYS, errors.DatabaseUnavailable)
        yield from getattr(self._handler, "problems", ())
        if operation.get("security"):
            yield from of_credentials()
        if "requestBody" in operation:
            yield from _OF_BODIES
        if self.method in getattr(self.view, "counted_methods", ("POST",)):
            yield from _OF_LIMITS


def of_credentials() -> Iterable[type[TaskMaprError]]:
    """What anybody may be told who must show credentials."""
    refusals = errors.NotAuthenticated.__subclasses__()
    yield from (cls for cls in refusals if cls not in _OF_SIGN_IN)
    yield from (errors.NotAllowed, errors.AuthNotConfigured, errors.AuthUnavailable)


def problem_responses(problems: Iterable[type[TaskMaprError]]) -> dict[str, Any]:
    """OpenAPI responses by status, each naming its codes."""
    by_status: defaultdict[int, dict[str, type[TaskMaprError]]] = defaultdict(dict)
    for cls in problems:
        by_status[cls.status].setdefault(cls.code, cls)
    return {
        str(status): {
            "description": "\n".join(
                f"- `{code}`: {cls.meaning()}" for code, cls in sorted(codes.items())
            ),
            "content": {
                PROBLEM_JSON: {
                    "schema": ref("Problem"),
                    "examples": {
                        code: {"$ref": f"#/components/examples/{code}"} for code in sorted(codes)
                    },
                }
            },
        }
        for status, codes in sorted(by_status.items())
    }


def problem_examples(document: Mapping[str, Any]) -> dict[str, Any]:
    """An example for each code that the document's responses name."""
    named = {
        code
        for path in document["paths"].values()
        for operation in path.values()
        for response in operation["responses"].values()
        for code in response.get("content", {}).get(PROBLEM_JSON, {}).get("examples", {})
    }
    return {
        code: {"summary": cls.title, "value": _example(cls)}
        for code in sorted(named)
        if (cls := errors.error_class(code)) is not None
    }


def _example(cls: type[TaskMaprError]) -> dict[str, Any]:
    told = cls.meaning()
    return {
        "type": f"https://taskmapr.example/problems/{cls.code}",
        "title": cls.title,
        "status": cls.status,
        "detail": told,
        "instance": "/api/taskmapr/orchestrate",
        "code": cls.code,
        "error": told,
        "message": told,
        "details": {},
        "request_id": "7d0c2f3e-6a51-4f0b-9d3e-0a8f6b0d9b7e",
        "timestamp": "2026-01-05T10:00:00.000Z",
    }


_BEARER: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "An access token, of this server or of its identity provider, or an API key.",
}
_API_KEY: Final = {
    "type": "apiKey",
    "in": "header",
    "name": "x-api-key",
    "description": "An API key (`tm_...`).",
}
_QUERY_TOKEN: Final = {
    "type": "apiKey",
    "in": "query",
    "name": "access_token",
    "description": "An access token, where a browser opens a stream and cannot set headers.",
}


class PrincipalScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Ways to show who is asking; each is enough."""

    target_class = "taskmapr.users.authentication.Principal"
    name = ["bearer", "apiKey"]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[str]]]:
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:
        return [_BEARER, _API_KEY]


class KeyPrincipalScheme(PrincipalScheme):  # type: ignore[no-untyped-call]
    """The same ways; refusals have other codes. The document has the ways from elsewhere."""

    target_class = "taskmapr.users.authentication.KeyPrincipal"
    match_subclasses = True
    name: list[str] = []

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[str]]]:
        return [{name: []} for name in PrincipalScheme.name]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:
        return []


class QueryTokenScheme(PrincipalScheme):  # type: ignore[no-untyped-call]
    """One way more; the document has the others from elsewhere."""

    target_class = "taskmapr.users.authentication.QueryTokenPrincipal"
    name = ["queryToken"]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[str]]]:
        return [{name: []} for name in (*PrincipalScheme.name, *self.name)]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:
        return [_QUERY_TOKEN]
