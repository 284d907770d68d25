"""Fetching a key set over HTTP: bounded in time and size, without following redirects."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

from taskmapr.users.public_keys import NoKeySet, keys_of

#: Seconds for one fetch as a whole, and for each of its waits.
FETCH_S: Final = 4.0
_WAIT_S: Final = 2.0
BYTES_MAX: Final = 256 * 1024


class JwksUnreadable(Exception):
    """No address gave a key set. The text says why, and holds nothing secret."""


def jwks_fetch(urls: Sequence[str], *, api_key: str = "") -> bytes:
    """The first document among the addresses that is a key set. Raises JwksUnreadable.

    api_key: sent as `apikey` and as Bearer, as Supabase's gateway wants it. A redirect is a
    failure: the key must not travel to where an answer points.
    """
    import httpx  # noqa: PLC0415 - only servers with an external provider pay for loading it

    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    if api_key:
        headers |= {"apikey": api_key, "Authorization": f"Bearer {api_key}"}
    until = time.monotonic() + FETCH_S
    reasons: list[str] = []
    with httpx.Client(headers=headers, timeout=_WAIT_S, follow_redirects=False) as client:
        for url in urls:
            try:
                document = _read(client, url, until)
                keys_of(document)
            except (httpx.HTTPError, httpx.InvalidURL, JwksUnreadable, NoKeySet) as error:
                reasons.append(str(error) if isinstance(error, JwksUnreadable) else _name(error))
            else:
                return document
    raise JwksUnreadable("; ".join(reasons) or "no address is configured")


def _read(client: Any, url: str, until: float) -> bytes:
    if time.monotonic() >= until:
        raise JwksUnreadable("no time left")
    with client.stream("GET", url) as response:
        if response.status_code != 200:
            raise JwksUnreadable(f"status {response.status_code}")
        document = bytearray()
        for chunk in response.iter_bytes():
            document += chunk
            if len(document) > BYTES_MAX:
                raise JwksUnreadable(f"more than {BYTES_MAX} bytes")
            if time.monotonic() >= until:
                raise JwksUnreadable("too slow")
    return bytes(document)


def _name(error: Exception) -> str:
    return type(error).__name__
