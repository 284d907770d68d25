"""Which credentials a view takes: its `required_scope`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from taskmapr.core.errors import NotAllowed, ScopeMissing
from taskmapr.users.credentials import Credential
from taskmapr.users.scopes import ANY

Required = str | tuple[str, ...]


class HasScope(BasePermission):
    """Lets a credential pass that has one of the scopes which the view names.

    `required_scope` of a view is a scope, a tuple of which one suffices, or a mapping from methods
    to these. A view or a method that names none is closed to every credential that is limited to
    scopes, so that a key opens nothing by an oversight. People's tokens are not limited.
    """

    refusal: type[NotAllowed] = NotAllowed

    def has_permission(self, request: Request, view: Any) -> bool:
        """Raises `refusal`, naming the scopes that would do."""
        credential = request.auth
        if not isinstance(credential, Credential) or credential.scopes is None:
            return True
        wanted = _required(view, request.method or "")
        if ANY in wanted or any(credential.permits(scope) for scope in wanted):
            return True
        if not wanted:
            raise self.refusal("API keys cannot be used here.")
        named = " or ".join(f"`{scope}`" for scope in wanted)
        raise self.refusal(
            f"This API key lacks the scope {named}.", details={"scopes": [str(w) for w in wanted]}
        )


class HasKeyScope(HasScope):
    """The same, with a code of its own: for endpoints whose clients are programs."""

    refusal = ScopeMissing


def _required(view: Any, method: str) -> tuple[str, ...]:
    declared: Required | Mapping[str, Required] = getattr(view, "required_scope", ())
    if isinstance(declared, Mapping):
        declared = declared.get(method, declared.get("GET", ()) if method == "HEAD" else ())
    return (declared,) if isinstance(declared, str) else tuple(declared)
