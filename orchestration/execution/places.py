"""Runs of kinds of which only so many may be under way, many in one visit to whoever counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Protocol, cast
from uuid import UUID

from orchestration.services.leases import Claim
from taskmapr.core.run_kinds import run_kind
from taskmapr.foundation.aio import in_database


class Counted(Protocol):
    """What `RunKind.places` names."""

    def admit(self, claims: Sequence[Claim]) -> list[Claim]: ...

    def renew(self, claims: Sequence[Claim]) -> None: ...

    def leave(self, claims: Sequence[Claim]) -> None: ...


@cache
def counted(kind: str) -> Counted | None:
    """Who counts runs of this kind; None: nobody."""
    path = run_kind(kind).places
    return cast("Counted", import_module(path)) if path else None


def admitted(claims: Mapping[UUID, Claim]) -> dict[UUID, Claim]:
    """Those that may begin now; the others have been put back. Touches the database."""
    may_begin = dict(claims)
    for kind, of_kind in _by_kind(claims.values()).items():
        if (who := counted(kind)) is not None:
            begin = {claim.run_id for claim in who.admit(of_kind)}
            for claim in of_kind:
                if claim.run_id not in begin:
                    del may_begin[claim.run_id]
    return may_begin


async def places_renew(claims: Iterable[Claim]) -> None:
    """Raises QueueUnavailable."""
    for kind, of_kind in _by_kind(claims).items():
        if (who := counted(kind)) is not None:
            await in_database(who.renew, of_kind)


async def places_leave(claims: Iterable[Claim]) -> None:
    for kind, of_kind in _by_kind(claims).items():
        if (who := counted(kind)) is not None:
            await in_database(who.leave, of_kind)


def _by_kind(claims: Iterable[Claim]) -> Mapping[str, list[Claim]]:
    found: defaultdict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        found[claim.kind].append(claim)
    return found
