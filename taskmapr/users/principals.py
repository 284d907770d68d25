"""From one token to the user whom it lets in: API keys and access tokens."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Final

from django.conf import settings
from django.utils import timezone

from taskmapr.core.errors import InvalidToken, NotAllowed, TokenExpired
from taskmapr.foundation.database_state import asked_or
from taskmapr.users.credentials import Credential
from taskmapr.users.external_jwt import (
    ExternalIdentityClaims,
    external_token_read,
    is_external,
)
from taskmapr.users.models import User
from taskmapr.users.selectors import api_key_by_hash, user_by_id
from taskmapr.users.services.api_keys import PREFIX, api_key_hash, api_key_used
from taskmapr.users.services.external_users import external_user_ensure
from taskmapr.users.tokens import access_token_read
from taskmapr.users.without_database import (
    identity_note,
    nobody,
    user_trusted,
    user_trusted_by_identity,
)

Admitted = tuple[User, Credential]

#: What a token may be made of (RFC 6750, section 2.1), and how long it may be.
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
TOKEN_LENGTH_MAX: Final = 8192


Address = IPv4Address | IPv6Address | None


def principal_of_token(text: str, *, address: Address = None) -> Admitted:
    """Whoever presents this token. Reads the user's row, so closed accounts are refused at once.

    `address`: from where; some keys are good for certain ones only.
    Raises InvalidToken (or a kind of it), TokenExpired, NotAllowed, or an Unavailable.
    """
    if len(text) > TOKEN_LENGTH_MAX or not _TOKEN.fullmatch(text):
        raise InvalidToken
    return principal_of_key(text, address=address) if is_key(text) else _of_jwt(text)


def is_key(text: str) -> bool:
    """Whether this is to be looked up among the keys: it looks like one, or is the one that the
    environment names, which may look like anything."""
    named = settings.SEEDED_API_KEY
    return text.startswith(PREFIX) or bool(
        named and hmac.compare_digest(text.encode(), named.encode())
    )


def principal_of_key(text: str, *, address: Address = None) -> Admitted:
    """As `principal_of_token`, for API keys only."""
    if not is_key(text):
        raise InvalidToken
    key = asked_or(lambda: api_key_by_hash(api_key_hash(text)), nobody)
    if key is None or key.revoked_at is not None or not key.user.is_active:
        raise InvalidToken
    if key.expires_at is not None and key.expires_at <= timezone.now():
        raise TokenExpired("The API key's time is over.")
    if key.networks and not _is_within(address, key.networks):
        raise NotAllowed("This API key may not be used from this address.")
    api_key_used(key=key)
    return key.user, Credential(
        kind="api_key",
        ref=f"key:{key.pk}",
        scopes=frozenset(key.scopes),
        rate_per_minute=key.rate_per_minute,
        intents=tuple(key.intents) or None,
        task_types=tuple(key.task_types) or None,
    )


def _is_within(address: Address, networks: Iterable[str]) -> bool:
    return address is not None and any(address in ip_network(network) for network in networks)


def _of_jwt(text: str) -> Admitted:
    if is_external(text):
        return _of_identity(external_token_read(text))
    user_id = access_token_read(text)
    user = asked_or(lambda: user_by_id(user_id), lambda: user_trusted(user_id))
    if user is None or not user.is_active:
        raise InvalidToken
    return user, Credential(kind="native_jwt", ref=f"user:{user.pk}")


def _of_identity(said: ExternalIdentityClaims) -> Admitted:
    named = {"issuer": said.issuer, "subject": said.subject}
    user = asked_or(
        lambda: external_user_ensure(**named, email=said.email),
        lambda: user_trusted_by_identity(**named),
    )
    if not user.is_active:
        raise InvalidToken
    identity_note(**named, user_id=user.pk)
    return user, Credential(kind="external_jwt", ref=f"user:{user.pk}")
