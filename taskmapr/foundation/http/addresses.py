"""Which network addresses belong to the public internet.

Tables of our own, after the IANA registries of special-purpose addresses (IPv4 and IPv6, as of
2026): what `ipaddress` calls global differs between patch releases of Python.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NOT_PUBLIC_V4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by customers of a provider
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, metadata of clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_NOT_PUBLIC_V6: Final = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
_SIX_TO_FOUR: Final = IPv6Network("2002::/16")
_NAT64: Final = IPv6Network("64:ff9b::/96")

#: Reachable on purpose only by who names its very network: other machines' secrets lie here, or
#: many machines at once.
_NEVER_BY_NAME: Final = tuple(
    [IPv4Network(n) for n in ("0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4")]
    + [IPv6Network(n) for n in ("::/128", "fe80::/10", "ff00::/8", "fd00:ec2::254/128")]
)


def address_of(text: str) -> Address:
    """The address that a lookup or a connection speaks of; IPv4 in IPv6 notation becomes IPv4.

    Raises ValueError for anything but the usual notation, and for addresses of one interface only.
    """
    if "%" in text:
        raise ValueError(f"{text} names an interface")
    address = ip_address(text)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def is_public(address: Address) -> bool:
    """Whether everybody on the internet means the same machine by it.

    Forms that carry an IPv4 address (6to4, NAT64) are as public as that one.
    """
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
    if address in _SIX_TO_FOUR:
        return is_public(IPv4Address(int(address) >> 80 & 0xFFFF_FFFF))
    return address in _GLOBAL_UNICAST and not any(address in net for net in _NOT_PUBLIC_V6)


def is_reachable_by_name(address: Address) -> bool:
    """Whether naming a host is enough to allow this address, public or not.

    Not for addresses by which hosts ask their cloud for keys, and those that are nobody's.
    """
    if isinstance(address, IPv6Address) and not is_public(address):
        # What carries another address is not what anybody means by a name of their own.
        carries = address in _NAT64 or address in _SIX_TO_FOUR or address.teredo is not None
        if carries:
            return False
    return not any(
        address.version == network.version and address in network for network in _NEVER_BY_NAME
    )
