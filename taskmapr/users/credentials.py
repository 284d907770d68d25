"""What a request was let in with: `request.auth` of every authenticated request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["native_jwt", "external_jwt", "api_key", "session", "development"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """The accepted credential. Holds nothing secret."""

    kind: Kind
    #: Whose allowance requests use up, e.g. `user:<id>` or `key:<id>`.
    ref: str
    #: What it may be used for; None: everything that its user may do.
    scopes: frozenset[str] | None = None
    #: POST requests per minute; None: the limit of the settings.
    rate_per_minute: int | None = None
    #: Names (a trailing `*` matches any end) of the intents and types of tasks that it may be used
    #: for; None: all.
    intents: tuple[str, ...] | None = None
    task_types: tuple[str, ...] | None = None

    def permits(self, scope: str) -> bool:
        return self.scopes is None or scope in self.scopes
