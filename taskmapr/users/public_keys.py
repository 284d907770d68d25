"""Public keys as JSON Web Keys (RFC 7517): which of them verify what."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

logger = logging.getLogger(__name__)

#: Algorithm → (key type, curve). Anything else is not verified with public keys.
_FITS: Final[dict[str, tuple[str, str | None]]] = {
    "RS256": ("RSA", None),
    "RS384": ("RSA", None),
    "RS512": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
}
_RSA_BITS_MIN: Final = 2048


class NoKeySet(ValueError):
    """The document is not a JSON Web Key Set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """`algorithm`: the only one it may be used for, None when the provider does not say."""

    kid: str | None
    key_type: str
    curve: str | None
    algorithm: str | None
    key: Any

    def fits(self, algorithm: str) -> bool:
        kind = _FITS.get(algorithm)
        return kind == (self.key_type, self.curve) and self.algorithm in (None, algorithm)


def key_for(keys: Sequence[PublicKey], kid: str | None, algorithm: str) -> PublicKey | None:
    """The key of that id that fits; without an id, the only one that fits."""
    fitting = [key for key in keys if key.fits(algorithm) and kid in (None, key.kid)]
    if kid is None and len(fitting) != 1:
        return None
    return fitting[0] if fitting else None


def keys_of(document: bytes) -> tuple[PublicKey, ...]:
    """The usable keys of a key set; keys that cannot be used are left out with a warning.

    Symmetric and private keys do not belong there and are left out too. Raises NoKeySet.
    """
    try:
        listed = orjson.loads(document)["keys"]
    except (ValueError, TypeError, KeyError) as error:
        raise NoKeySet from error
    if not isinstance(listed, list):
        raise NoKeySet
    return tuple(key for key in map(_key_of, listed) if key is not None)


def _key_of(listed: Any) -> PublicKey | None:
    try:
        return _read(listed)
    except (ValueError, TypeError, AttributeError, KeyError, jwt.PyJWTError) as error:
        logger.warning("A key of the identity provider is left out: %s", type(error).__name__)
        return None


def _read(listed: dict[str, Any]) -> PublicKey | None:
    key_type, operations = listed["kty"], listed.get("key_ops")
    is_for_signatures = listed.get("use", "sig") == "sig" and "verify" in (operations or ["verify"])
    if key_type not in ("RSA", "EC") or "d" in listed or not is_for_signatures:
        return None
    curve = listed.get("crv") if key_type == "EC" else None
    named = listed.get("alg")
    key: Any = jwt.PyJWK(listed).key
    if isinstance(key, RSAPublicKey) and key.key_size < _RSA_BITS_MIN:
        raise ValueError("too short")
    kid = listed.get("kid")
    return PublicKey(
        kid=kid if isinstance(kid, str) else None,
        key_type=key_type,
        curve=curve,
        algorithm=named if isinstance(named, str) else None,
        key=key,
    )
