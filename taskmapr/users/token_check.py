"""What is wrong with a token, step by step: for operators who look for a fault.

Nothing of the token is kept or logged.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone

from taskmapr.core.errors import InvalidToken, TaskMaprError
from taskmapr.users.external_jwt import (
    external_token_explain,
    external_token_read,
    is_external,
)
from taskmapr.users.models import User
from taskmapr.users.selectors import api_key_by_hash, user_by_id, user_by_identity
from taskmapr.users.services.api_keys import PREFIX, api_key_hash
from taskmapr.users.token_shape import claims_unverified, header_unverified
from taskmapr.users.tokens import access_token_read


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`name`: of the claim or the check; `says`: what was found, or what is wrong with it."""

    name: str
    is_ok: bool
    says: str = ""


def token_check(text: str) -> list[Step]:
    """The steps up to the one that fails; of an external token all claims."""
    text = text.strip().removeprefix("Bearer ").strip()
    if text.startswith(PREFIX):
        return _key_steps(text)
    try:
        header, claims = header_unverified(text), claims_unverified(text)
    except InvalidToken as error:
        return [Step(name="form", is_ok=False, says=f"Not a JWT. {error.detail}")]
    kind = "external provider" if is_external(text) else "this server"
    issuer = claims.get("iss", "nobody")
    form = f"Signed with {header['alg']}; issued by {issuer}; checked as a token of: {kind}"
    steps = _external_steps(text) if is_external(text) else _native_steps(text)
    return [Step(name="form", is_ok=True, says=form), *steps]


def _key_steps(text: str) -> list[Step]:
    key = api_key_by_hash(api_key_hash(text))
    if key is None:
        return [Step(name="key", is_ok=False, says="There is no such API key.")]
    is_over = key.expires_at is not None and key.expires_at <= timezone.now()
    return [
        Step(name="key", is_ok=True, says=f"{key}, for {', '.join(key.scopes)}"),
        Step(name="revoked", is_ok=key.revoked_at is None, says=_at("revoked", key.revoked_at)),
        Step(name="expiry", is_ok=not is_over, says=_at("ends", key.expires_at)),
        _account(key.user),
    ]


def _native_steps(text: str) -> list[Step]:
    try:
        user_id = access_token_read(text)
    except TaskMaprError as error:
        return [Step(name="token", is_ok=False, says=_why(error))]
    user = user_by_id(user_id)
    missing = Step(name="account", is_ok=False, says="There is no such account.")
    return [Step(name="token", is_ok=True), missing if user is None else _account(user)]


def _external_steps(text: str) -> list[Step]:
    steps = [
        Step(name=found.name, is_ok=found.error is None, says=_why(found.error))
        for found in external_token_explain(text)
    ]
    if not all(step.is_ok for step in steps):
        return steps
    said = external_token_read(text)
    user = user_by_identity(said.issuer, said.subject)
    made = Step(name="account", is_ok=True, says="Will be made when the token is first used.")
    return [*steps, made if user is None else _account(user)]


def _account(user: User) -> Step:
    state = "" if user.is_active else ", which is closed"
    return Step(name="account", is_ok=user.is_active, says=f"{user.email}{state}")


def _why(error: TaskMaprError | None) -> str:
    """With the verifier's own words, which name claims and never hold the token."""
    if error is None:
        return ""
    cause = f" ({error.__cause__})" if error.__cause__ else ""
    return f"{error.code}: {error.detail}{cause}"


def _at(verb: str, at: object) -> str:
    return f"{verb} {at:%Y-%m-%d %H:%M} UTC" if at else ""
