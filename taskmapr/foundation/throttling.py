"""How often one principal may post: REST framework's question, answered by an allowance.

Named in REST framework's settings, so nothing here may import `rest_framework.views`.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from taskmapr.core.errors import QueueUnavailable
from taskmapr.foundation.allowances import Standing, allowance_take


class PrincipalThrottle(BaseThrottle):
    """The throttle of every view of the API. Counts POST requests by `request.auth.ref`, those
    without a principal by address.

    A view with requests of other methods that do work names them in `counted_methods`; one that
    knows a limit of its own for a request tells it by `rate_limit(request) -> (name, number)`.
    A credential's own number wins over that of the view, which wins over that of the settings.
    Reads are counted apart where a view has `reads_per_minute`, and a view that `needs_counting`
    refuses while nobody can count.
    """

    def __init__(self) -> None:
        self._standing: Standing | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        ref, limit = self._allowance(request, view)
        if not ref:
            return True
        self._standing = allowance_take(ref, limit)
        if self._standing is None:
            if limit and getattr(view, "needs_counting", False):
                raise QueueUnavailable
            return True
        # REST framework puts these on whatever answer the view gives, its errors included.
        view.headers.update(self._standing.headers)
        return self._standing.is_allowed

    def _allowance(self, request: Request, view: Any) -> tuple[str, int]:
        """Whose, and how much a minute; of an empty name: such requests are not counted."""
        credential: Any = request.auth
        reads: str | None = getattr(view, "reads_per_minute", None)
        if reads is not None and credential is not None and request.method in ("GET", "HEAD"):
            return f"{credential.ref}:{reads}", settings.TASKMAPR[reads]
        if request.method in getattr(view, "counted_methods", ("POST",)):
            return _allowance_of(request, view)
        return "", 0

    def wait(self) -> float | None:
        return None if self._standing is None else float(self._standing.reset_s)


def _allowance_of(request: Request, view: Any) -> tuple[str, int]:
    """Whose allowance, and how much a minute."""
    ours: Any = settings.TASKMAPR
    credential: Any = request.auth
    if credential is None:
        return f"address:{client_network(request._request)}", ours["rate_limit_address_per_minute"]
    if credential.rate_per_minute is not None:
        return credential.ref, credential.rate_per_minute
    own = view.rate_limit(request) if hasattr(view, "rate_limit") else None
    if own is not None:
        name, number = own
        return f"{credential.ref}:{name}", number
    return credential.ref, ours["rate_limit_per_minute"]


def client_network(request: HttpRequest) -> str:
    """The address that asks; of IPv6 the /64, which is what one household or server has."""
    address = client_address(request)
    if address is None:
        return "unknown"
    if isinstance(address, IPv6Address):
        return str(ip_network(f"{address}/64", strict=False))
    return str(address)


def client_address(request: HttpRequest) -> IPv4Address | IPv6Address | None:
    """The address that asks; None when it cannot be told, as of a Unix socket.

    Behind proxies, as many as `TASKMAPR_TRUSTED_PROXIES` says, it is the one that the outermost of
    them has seen. What a client itself writes into X-Forwarded-For is never believed.
    """
    proxies = settings.TASKMAPR["trusted_proxies"]
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if proxies else []
    seen = forwarded[-proxies] if 0 < proxies <= len(forwarded) else ""
    address = seen.strip() or request.META.get("REMOTE_ADDR", "")
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return mapped or parsed
