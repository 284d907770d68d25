"""One request to an address that a user gave, and its answer; nothing is followed, kept or added.

The name is looked up once, all of its addresses are checked, and only these are connected to. TLS
is verified for the name. Redirects are answers like others. There are no cookies, no proxies and no
credentials but what the caller puts into the headers.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from taskmapr.core.errors import AddressNotAllowed, TimedOut, UpstreamError
from taskmapr.foundation.http.addresses import address_of
from taskmapr.foundation.http.guard import (
    CheckedAddress,
    EgressPolicy,
    Target,
    addresses_check,
    target_of,
)

#: Bytes of an answer that are read, unless the caller says otherwise.
ANSWER_BYTES: Final = 64 * 1024

#: Gives the addresses of a name as text, on the running loop. Raises OSError when there are none.
LookupAsync = Callable[[str, int], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. `body` ends after the bytes that the caller wanted to read at most."""

    status: int
    #: Names in lower case; of repeated ones the first.
    headers: Mapping[str, str]
    body: bytes
    is_cut: bool

    @property
    def text(self) -> str:
        """The body for people: what is not UTF-8 is replaced."""
        return self.body.decode(errors="replace")


async def guarded_request(
    method: str,
    url: str,
    *,
    policy: EgressPolicy,
    deadline_s: float,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    answer_bytes: int = ANSWER_BYTES,
    lookup: LookupAsync | None = None,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """Send one request and read its answer, all within deadline_s seconds.

    tls: for certificates of one's own; None: the roots of this machine.
    Raises AddressNotAllowed (nothing was connected to), UpstreamError (`details["sent"]` says
    whether the other side may have received something) and TimedOut (the same).
    """
    target = target_of(url, policy=policy)
    connector = _GuardedConnector(target, policy, lookup or _system_lookup, tls)
    try:
        async with (
            asyncio.timeout(deadline_s),
            aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=None),
                headers={"User-Agent": "TaskMapr", "Accept-Encoding": "identity"},
                # An answer with endless headers is no answer.
                max_line_size=8_190,
                max_field_size=8_190,
            ) as session,
            session.request(
                method,
                _url(target),
                headers=headers,
                data=body or None,
                allow_redirects=False,
            ) as response,
        ):
            read, is_cut = await _bounded(response.content, answer_bytes)
            return Answer(
                status=response.status,
                headers={name.lower(): response.headers[name] for name in response.headers},
                body=read,
                is_cut=is_cut,
            )
    except TimeoutError:
        raise TimedOut(
            f"No whole answer within {deadline_s:g} s.", details={"sent": connector.is_connected}
        ) from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        if connector.refusal is not None:
            raise connector.refusal from None
        raise UpstreamError(_reason(error), details={"sent": connector.is_connected}) from None


class _GuardedConnector(aiohttp.TCPConnector):
    """Connects to the checked addresses of one target and to nothing else."""

    def __init__(
        self,
        target: Target,
        policy: EgressPolicy,
        lookup: LookupAsync,
        tls: ssl.SSLContext | None,
    ) -> None:
        super().__init__(
            resolver=_GuardedResolver(self, lookup),
            use_dns_cache=False,
            force_close=True,
            limit=1,
            ssl=True if tls is None else tls,
            socket_factory=self._socket,
        )
        self._target = target
        self._policy = policy
        self._checked: CheckedAddress | None = None
        if target.address is not None:
            self._checked = CheckedAddress(target=target, addresses=(target.address,))
        self.is_connected = False
        self.refusal: AddressNotAllowed | None = None

    def check(self, found: Sequence[str]) -> CheckedAddress:
        try:
            self._checked = addresses_check(self._target, found, policy=self._policy)
        except AddressNotAllowed as refusal:
            self.refusal = refusal
            # The connector expects OSError of a lookup.
            raise OSError("refused") from refusal
        return self._checked

    def _socket(self, info: Any) -> socket.socket:
        """Called for each connection with the address that is about to be connected to."""
        family, kind, proto, _, place = info
        if self._checked is None or address_of(place[0]) not in self._checked.addresses:
            self.refusal = AddressNotAllowed("The connection would lead to an unchecked address.")
            raise OSError("refused")
        return socket.socket(family, kind, proto)

    async def connect(self, *args: Any, **kwargs: Any) -> Any:
        connection = await super().connect(*args, **kwargs)
        self.is_connected = True
        return connection


class _GuardedResolver(AbstractResolver):
    """Looks a name up and gives its addresses if all of them may be contacted."""

    def __init__(self, connector: _GuardedConnector, lookup: LookupAsync) -> None:
        self._connector = connector
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        checked = self._connector.check(await self._lookup(host, port))
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in checked.addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""


async def _system_lookup(host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def _url(target: Target) -> URL:
    """Built of the checked parts, so that no second parser decides what the host is."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    return URL(f"{target.scheme}://{host}:{target.port}{target.path}", encoded=True)


async def _bounded(content: aiohttp.StreamReader, limit: int) -> tuple[bytes, bool]:
    """(the first `limit` bytes, whether there were more)."""
    read = bytearray()
    async for chunk in content.iter_any():
        read += chunk
        if len(read) > limit:
            return bytes(read[:limit]), True
    return bytes(read), False


def _reason(error: Exception) -> str:
    """For people who may know the address; nothing of our network is in it."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "The certificate does not fit the host."
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return "TLS could not be agreed on."
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "The host is not known."
    if isinstance(error, aiohttp.ClientConnectorError):
        return "The host does not accept connections."
    return "The connection broke, or the answer is not HTTP."
