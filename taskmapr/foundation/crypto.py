"""Keys and sealed content.

Every key comes from `settings.TASKMAPR_SECRET_KEYS` (a list: the first one writes, all of them
read) by HKDF-SHA256, with a label per purpose, so that no two purposes share a key:

- `data-key`: wraps the users' data keys;
- `field`: seals secrets in single columns (`foundation.fields.EncryptedTextField`);
- `file-link`: signs addresses of files that runs produced (`signing_keys`);
- `fingerprint`: names a master key without revealing anything of it.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, Literal

import orjson
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from taskmapr.core.ports import KeyUnavailable

Label = Literal["data-key", "field", "fingerprint", "file-link"]
_INFO: Final = b"taskmapr/v1/"


def master_fernet(label: Label) -> MultiFernet:
    """Encrypts with the first master secret, decrypts with any of them."""
    return _fernets(_secrets(), label)


def master_fingerprint() -> str:
    """16 hex digits that name the master secret which writes at present."""
    return _derived(_secrets()[0], "fingerprint")[:8].hex()


def signing_keys(label: Label) -> tuple[bytes, ...]:
    """Keys for signatures that the server itself checks: the first signs, all of them check."""
    return _signing_keys(_secrets(), label)


def data_key_new() -> bytes:
    """A fresh data key. It leaves the process only wrapped."""
    return Fernet.generate_key()


def data_key_wrap(key: bytes) -> str:
    return master_fernet("data-key").encrypt(key).decode()


def data_key_unwrap(wrapped: str) -> bytes:
    """Raises KeyUnavailable when none of the master secrets fits, or nothing is left to unwrap."""
    try:
        return master_fernet("data-key").decrypt(wrapped)
    except InvalidToken as error:
        raise KeyUnavailable("the data key cannot be unwrapped") from error


class UserSealer:
    """Seals JSON values with one user's data keys; the first key writes, all of them read.

    Holds the keys in memory: keep it for one run or request, or for seconds beside what proves
    that it is current.
    """

    __slots__ = ("_fernet",)

    def __init__(self, keys: Sequence[bytes]) -> None:
        fernets = [Fernet(key) for key in keys]
        self._fernet = fernets[0] if len(fernets) == 1 else MultiFernet(fernets)

    def seal(self, value: Any) -> str:
        """value: JSON with whole numbers of at most 64 bits. The text reveals its length only."""
        return self._fernet.encrypt(orjson.dumps(value)).decode()

    def open(self, sealed: str) -> Any:
        """Raises KeyUnavailable for content of another key and for altered content alike."""
        try:
            return orjson.loads(self._fernet.decrypt(sealed.encode()))
        except InvalidToken as error:
            raise KeyUnavailable("the content was sealed with another key, or altered") from error

    def __repr__(self) -> str:
        return "UserSealer()"


def _secrets() -> tuple[str, ...]:
    secrets = tuple(settings.TASKMAPR_SECRET_KEYS)
    if not secrets:
        raise ImproperlyConfigured("TASKMAPR_SECRET_KEY is empty: nothing can be sealed.")
    return secrets


@lru_cache(maxsize=16)
def _fernets(secrets: tuple[str, ...], label: Label) -> MultiFernet:
    keys = (base64.urlsafe_b64encode(_derived(secret, label)) for secret in secrets)
    return MultiFernet([Fernet(key) for key in keys])


@lru_cache(maxsize=16)
def _signing_keys(secrets: tuple[str, ...], label: Label) -> tuple[bytes, ...]:
    return tuple(_derived(secret, label) for secret in secrets)


@lru_cache(maxsize=64)
def _derived(secret: str, label: Label) -> bytes:
    """32 bytes. No salt: the secrets are random already, and the label keeps purposes apart."""
    hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=_INFO + label.encode())
    return hkdf.derive(secret.encode())
