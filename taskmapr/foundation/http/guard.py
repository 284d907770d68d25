"""Where TaskMapr may send requests that its users ask for.

A user's URL must not reach what only this server can reach: its own ports, its network, its cloud's
metadata. The rules are pure; only `address_check` and what it is given as `lookup` touch the
network. A check alone proves little, since names change: requests go out through
`taskmapr.foundation.http.exchange`, which connects to the very addresses that were checked.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as LateError
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Final
from urllib.parse import SplitResult, quote, urlsplit

import idna
from django.conf import settings

from taskmapr.core.errors import AddressNotAllowed
from taskmapr.foundation.http.addresses import (
    Address,
    Network,
    address_of,
    is_public,
    is_reachable_by_name,
)

#: Longest URL in characters.
MAX_URL: Final = 2_048
#: Seconds that a doorway waits for a name.
LOOKUP_S: Final = 3.0

#: Gives the addresses of a name as text. Raises OSError when there are none.
Lookup = Callable[[str, int], Sequence[str]]

_PORTS: Final = {"https": 443, "http": 80}
_LOCAL_NAMES: Final = ("localhost", "local", "internal", "localdomain", "home.arpa")
# Every other character is one that two parsers may read differently.
_URL: Final = re.compile(r"[^\x00-\x20\x7f-\xa0\\\u2028\u2029\ufeff]+")
_NAME: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
# A last label like these is a number to some parsers: 2130706433, 0x7f.1, 0177.0.0.1, 127.1.
_NUMBER: Final = re.compile(r"(0x[0-9a-f]*|[0-9]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRule:
    """One entry of a list of hosts: a name, names under a domain, a network, or everything."""

    name: str = ""
    domain: str = ""
    network: Network | None = None
    #: None: the usual port of the scheme; 0: any.
    port: int | None = None

    @property
    def is_any(self) -> bool:
        return not self.name and not self.domain and self.network is None

    def names(self, host: str) -> bool:
        return self.name == host or (bool(self.domain) and host.endswith("." + self.domain))

    def holds(self, address: Address) -> bool:
        net = self.network
        return net is not None and net.version == address.version and address in net

    def opens(self, port: int) -> bool:
        return self.port in (0, port)


def host_rule_of(text: str) -> HostRule:
    """`name`, `*.domain`, `address`, `network/bits` or `*`, each with `:port` or `:*` behind it.

    IPv6 with a port is written in brackets: `[fd00::/8]:8443`. Raises ValueError.
    """
    host, port = _host_and_port(text.strip().lower())
    if host == "*":
        return HostRule(port=port)
    try:
        return HostRule(network=ip_network(host), port=port)
    except ValueError:
        if "/" in host or ":" in host:
            raise
    is_domain = host.startswith("*.")
    name = _ascii_name(host.removeprefix("*."))
    return HostRule(domain=name, port=port) if is_domain else HostRule(name=name, port=port)


def _host_and_port(text: str) -> tuple[str, int | None]:
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    else:
        host, port = text, ""
    if port not in ("", "*") and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"{text}: the port must be a number or *")
    return host, None if not port else 0 if port == "*" else int(port)


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressPolicy:
    """Which addresses may be contacted. The default is every public host over https.

    allowed: when there are any, only hosts that one of them names or holds may be contacted.
    A name or a network allows its private addresses too; `*` and `*.domain` allow public ones only.
    over_http: hosts that may be contacted without TLS.
    """

    allowed: tuple[HostRule, ...] = ()
    over_http: tuple[HostRule, ...] = field(default=())

    @classmethod
    def of(cls, allowed: Iterable[str] = (), over_http: Iterable[str] = ()) -> EgressPolicy:
        """From the notations of `host_rule_of`. Raises ValueError."""
        return cls(
            allowed=tuple(map(host_rule_of, allowed)), over_http=tuple(map(host_rule_of, over_http))
        )


def egress_policy() -> EgressPolicy:
    """What the settings allow for addresses that users give."""
    policy: EgressPolicy = settings.EGRESS_POLICY
    return policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The one thing that a URL means, in parts that no parser has to read again."""

    scheme: str
    #: Lower case, ASCII, without a trailing dot; IPv6 without brackets.
    host: str
    port: int
    #: What stands behind host and port: path and query, percent-encoded.
    path: str
    #: The host when it is an address, else None.
    address: Address | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedAddress:
    """A target and the addresses that may be connected to, in the order of the lookup."""

    target: Target
    addresses: tuple[Address, ...]


def target_of(url: str, *, policy: EgressPolicy) -> Target:
    """What the URL means. Touches no network. Raises AddressNotAllowed, which says why."""
    parts = _parts(url)
    if parts.scheme not in _PORTS:
        raise AddressNotAllowed("The address must begin with https://.")
    if "@" in parts.netloc:
        raise AddressNotAllowed("The address must not contain a user or a password.")
    host, address = _host(parts)
    port = _port(parts)
    target = Target(
        scheme=parts.scheme,
        host=host,
        port=port,
        path=_path(parts),
        address=address,
    )
    _require_scheme(target, policy)
    _require_port(target, policy)
    _require_name(target, policy)
    if address is not None:
        addresses_check(target, [str(address)], policy=policy)
    return target


def addresses_check(
    target: Target, found: Sequence[str], *, policy: EgressPolicy
) -> CheckedAddress:
    """All of the addresses that a lookup gave may be contacted for this target.

    One that may not refuses all of them. Raises AddressNotAllowed.
    """
    try:
        addresses = tuple(dict.fromkeys(address_of(text) for text in found))
    except ValueError:
        raise AddressNotAllowed("The host leads to an unusual address.") from None
    if not addresses:
        raise AddressNotAllowed("The host is not known.")
    for address in addresses:
        if not _is_allowed(target, address, policy):
            # Not which address: that would tell what our name server knows of our network.
            raise AddressNotAllowed("The host leads to an address that is not public.")
    return CheckedAddress(target=target, addresses=addresses)


def address_check(
    url: str, *, policy: EgressPolicy, lookup: Lookup | None = None
) -> CheckedAddress:
    """The URL may be contacted as things stand. Waits for a lookup, at most LOOKUP_S seconds.

    Raises AddressNotAllowed, also for names that cannot be looked up.
    """
    target = target_of(url, policy=policy)
    if target.address is not None:
        return CheckedAddress(target=target, addresses=(target.address,))
    try:
        found = (lookup or _patient_lookup)(target.host, target.port)
    except OSError:
        raise AddressNotAllowed("The host is not known.") from None
    return addresses_check(target, found, policy=policy)


def system_lookup(host: str, port: int) -> list[str]:
    """What this machine's resolver says. Blocks for as long as that takes."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


# A resolver that hangs must not hold a request's thread; a few of its own may hang.
_lookups: Final = ThreadPoolExecutor(4, thread_name_prefix="lookup")


def _patient_lookup(host: str, port: int) -> list[str]:
    lookup = _lookups.submit(system_lookup, host, port)
    try:
        return lookup.result(timeout=LOOKUP_S)
    except LateError:
        # One that still waits for its turn would only keep those behind it waiting.
        lookup.cancel()
        raise OSError("the lookup took too long") from None


def _parts(url: str) -> SplitResult:
    if len(url) > MAX_URL or not _URL.fullmatch(url):
        raise AddressNotAllowed("The address is not a URL.")
    try:
        return urlsplit(url)
    except ValueError:
        raise AddressNotAllowed("The address is not a URL.") from None


def _path(parts: SplitResult) -> str:
    """What is encoded stays so; what has to be is encoded."""
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    return f"{path}?{quote(parts.query, safe='/%:@!$&()*+,;=~?')}" if parts.query else path


def _host(parts: SplitResult) -> tuple[str, Address | None]:
    """The host in its one spelling, and its address if it is one."""
    written = (parts.hostname or "").lower()
    if "[" in parts.netloc:
        try:
            address = address_of(written)
        except ValueError:
            raise AddressNotAllowed("The host is not an address.") from None
        return str(address), address
    try:
        name = _ascii_name(written)
    except ValueError:
        raise AddressNotAllowed("The host is not a name.") from None
    if not _NUMBER.fullmatch(name.rpartition(".")[2]):
        return name, None
    try:
        # Leading zeros, hexadecimal and missing parts are refused here.
        address = address_of(name)
    except ValueError:
        raise AddressNotAllowed("The host is an address in an unusual notation.") from None
    return str(address), address


def _ascii_name(written: str) -> str:
    """The name as it is looked up. Raises ValueError."""
    try:
        name = written if written.isascii() else idna.encode(written, uts46=True).decode()
    except idna.IDNAError as error:
        raise ValueError(f"{written} is not a name") from error
    name = name.lower().removesuffix(".")
    if len(name) > 253 or not _NAME.fullmatch(name):
        raise ValueError(f"{written} is not a name")
    return name


def _port(parts: SplitResult) -> int:
    try:
        port = parts.port
    except ValueError:
        raise AddressNotAllowed("The port is not a number.") from None
    return _PORTS[parts.scheme] if port is None else port


def _names(rule: HostRule, target: Target) -> bool:
    if target.address is not None:
        return rule.holds(target.address)
    return rule.names(target.host)


def _require_scheme(target: Target, policy: EgressPolicy) -> None:
    if target.scheme == "http" and not any(_names(rule, target) for rule in policy.over_http):
        raise AddressNotAllowed("The address must begin with https://.")


def _require_port(target: Target, policy: EgressPolicy) -> None:
    """The scheme's usual port, or one that stands behind the host in either list."""
    if target.port == _PORTS[target.scheme]:
        return
    rules = [rule for rule in policy.allowed + policy.over_http if rule.opens(target.port)]
    # Names that a network of the list holds are known after the lookup only.
    if not any(_names(r, target) or r.is_any or r.network is not None for r in rules):
        raise AddressNotAllowed(f"Port {target.port} is not allowed.")


def _require_name(target: Target, policy: EgressPolicy) -> None:
    if any(rule.name == target.host for rule in policy.allowed):
        return
    is_local = any(target.host == n or target.host.endswith("." + n) for n in _LOCAL_NAMES)
    if target.address is None and is_local:
        raise AddressNotAllowed("The host is a name of a local network.")


def _is_allowed(target: Target, address: Address, policy: EgressPolicy) -> bool:
    is_listed = target.port == _PORTS[target.scheme] or any(
        rule.opens(target.port) and (rule.names(target.host) or rule.holds(address))
        for rule in policy.over_http
    )
    if not policy.allowed:
        return is_listed and is_public(address)
    rules = [r for r in policy.allowed if r.opens(target.port) or (is_listed and r.port is None)]
    if any(rule.holds(address) for rule in rules):
        return True
    if any(rule.name == target.host for rule in rules):
        return is_reachable_by_name(address)
    return is_public(address) and any(rule.is_any or rule.names(target.host) for rule in rules)
