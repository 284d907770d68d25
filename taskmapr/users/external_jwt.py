"""Access tokens of the external identity provider: signature first, then claim by claim."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import jwt
import orjson
from django.conf import settings

from taskmapr.core.errors import (
    InvalidAudience,
    InvalidIssuer,
    InvalidToken,
    MissingSubject,
    TaskMaprError,
    TokenExpired,
)
from taskmapr.settings.sign_in import ALGORITHMS_KNOWN, ExternalSignIn
from taskmapr.users.jwks import jwks
from taskmapr.users.token_shape import claims_unverified, header_unverified
from taskmapr.users.tokens import ISSUER, LEEWAY

Claims = dict[str, Any]
_LEEWAY_S: Final = LEEWAY.total_seconds()
#: As long as the columns that keep them.
_NAME_MAX: Final = 255
_KID_MAX: Final = 200
#: Kinds of tokens that some providers issue beside access tokens.
_OTHER_KINDS: Final = {"refresh", "offline", "id"}
_jws: Final = jwt.PyJWS()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalIdentityClaims:
    """Who the provider says it is. `email`: as claimed, perhaps empty; proves nothing here."""

    issuer: str
    subject: str
    email: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One step of a check. `error`: None when it was passed."""

    name: str
    error: TaskMaprError | None = None


def is_external(text: str) -> bool:
    """True for a token that the external provider's verifier has to judge: the issuer decides.

    Raises InvalidToken for what is not a JWT at all.
    """
    if not settings.EXTERNAL_SIGN_IN.is_configured:
        return False
    return not settings.JWT_SECRET or claims_unverified(text).get("iss") != ISSUER


def external_token_read(text: str) -> ExternalIdentityClaims:
    """Whom the token names.

    Raises InvalidToken or one of its kinds; TokenExpired only when nothing else is wrong;
    AuthUnavailable when the provider's keys are needed and cannot be had.
    """
    config: ExternalSignIn = settings.EXTERNAL_SIGN_IN
    claims = _verified(text, config)
    for _, rule in _RULES:
        rule(claims, config)
    return _identity(claims)


def external_token_explain(text: str) -> Iterator[Finding]:
    """Every step of the check with its outcome; later claims are looked at also after a failure."""
    config: ExternalSignIn = settings.EXTERNAL_SIGN_IN
    try:
        claims = _verified(text, config)
    except TaskMaprError as error:
        yield Finding("signature", error)
        return
    yield Finding("signature")
    for name, rule in _RULES:
        try:
            rule(claims, config)
        except TaskMaprError as error:
            yield Finding(name, error)
        else:
            yield Finding(name)


def _verified(text: str, config: ExternalSignIn) -> Claims:
    header = header_unverified(text)
    algorithm = header["alg"]
    if algorithm not in config.algorithms or algorithm not in ALGORITHMS_KNOWN:
        raise InvalidToken("The token's algorithm is not accepted here.")
    key = _key(header, algorithm, config)
    try:
        claims = orjson.loads(_jws.decode(text, key, algorithms=[algorithm]))
    except (jwt.PyJWTError, ValueError) as error:
        raise InvalidToken from error
    if not isinstance(claims, dict):
        raise InvalidToken
    return claims


def _key(header: Claims, algorithm: str, config: ExternalSignIn) -> Any:
    """HS… takes the shared secret, the others a public key: one never stands in for the other."""
    if algorithm.startswith("HS"):
        if not config.jwt_secret:
            raise InvalidToken("The token's algorithm is not accepted here.")
        return config.jwt_secret
    kid = header.get("kid")
    if kid is not None and (not isinstance(kid, str) or len(kid) > _KID_MAX):
        raise InvalidToken
    found = jwks().key(kid, algorithm) if config.jwks_urls else None
    if found is None:
        raise InvalidToken("The token was signed with a key that is not known here.")
    return found.key


def _kind_fits(claims: Claims, config: ExternalSignIn) -> None:
    if str(claims.get("typ", "")).lower() in _OTHER_KINDS:
        raise InvalidToken("This is not an access token.")


def _begins_in_the_past(name: str) -> Callable[[Claims, ExternalSignIn], None]:
    def rule(claims: Claims, config: ExternalSignIn) -> None:
        if name in claims and _time(claims, name) > time.time() + _LEEWAY_S:
            raise InvalidToken(f"The token's `{name}` lies in the future.")

    return rule


def _audience_fits(claims: Claims, config: ExternalSignIn) -> None:
    if config.audiences is None:
        return
    named = claims.get("aud")
    listed = named if isinstance(named, list) else [named]
    if not any(isinstance(one, str) and one in config.audiences for one in listed):
        raise InvalidAudience


def _issuer_fits(claims: Claims, config: ExternalSignIn) -> None:
    issuer = claims.get("iss", "")
    if not isinstance(issuer, str) or (config.issuer and issuer != config.issuer):
        raise InvalidIssuer
    if not _is_storable(issuer) or issuer == ISSUER:
        raise InvalidIssuer


def _subject_is_named(claims: Claims, config: ExternalSignIn) -> None:
    subject = _subject(claims)
    if not isinstance(subject, str) or not subject.strip():
        raise MissingSubject
    if not _is_storable(subject):
        raise InvalidToken("The token's subject is too long, or no plain text.")


def _has_an_end(claims: Claims, config: ExternalSignIn) -> None:
    _time(claims, "exp")


def _is_not_over(claims: Claims, config: ExternalSignIn) -> None:
    if _time(claims, "exp") + _LEEWAY_S <= time.time():
        raise TokenExpired


#: In the order in which a request is refused; the end of the token's time comes last.
_RULES: Final[tuple[tuple[str, Callable[[Claims, ExternalSignIn], None]], ...]] = (
    ("typ", _kind_fits),
    ("nbf", _begins_in_the_past("nbf")),
    ("iat", _begins_in_the_past("iat")),
    ("exp is given", _has_an_end),
    ("aud", _audience_fits),
    ("iss", _issuer_fits),
    ("sub", _subject_is_named),
    ("exp", _is_not_over),
)


def _time(claims: Claims, name: str) -> float:
    """Unix seconds. Raises InvalidToken for anything that cannot be compared with a clock."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidToken(f"The token's `{name}` is missing or not a time.")
    return float(value)


def _subject(claims: Claims) -> Any:
    return claims.get("sub") or claims.get("user_id")


def _identity(claims: Claims) -> ExternalIdentityClaims:
    email = claims.get("email")
    return ExternalIdentityClaims(
        issuer=claims.get("iss", ""),
        subject=_subject(claims),
        email=email if isinstance(email, str) else "",
    )


def _is_storable(name: str) -> bool:
    return len(name) <= _NAME_MAX and (name == "" or name.isprintable())
