"""What is kept of an exception that nobody foresaw: enough to find it, bounded, without secrets."""

from __future__ import annotations

from collections.abc import Iterator
from traceback import TracebackException
from typing import Final

from orchestration.page.text import storable
from orchestration.targets.ssh_masking import masked
from taskmapr.core.events import ToolCrashed

#: Of a stack, in bytes. The ends say most: who called, and where it broke.
STACK_BYTES: Final = 16 * 1024
MESSAGE_LENGTH: Final = 2_000
#: Looked through for secrets at most, so that an endless message costs no time.
_LOOKED_AT: Final = 8 * STACK_BYTES
#: Exceptions that led to each other.
_LINKS: Final = 8


def tool_crash(error: BaseException, *, call_id: str, tool: str) -> ToolCrashed:
    """The stack names places in code and classes; what exceptions say is apart, because it may
    quote what people said."""
    links = list(_links(TracebackException.from_exception(error)))
    places = (f"{name}\n{''.join(link.stack.format())}" for name, link in links)
    said = (line.rstrip() for _, link in links for line in link.format_exception_only())
    return ToolCrashed(
        call_id=call_id,
        tool=tool,
        exception=links[0][0],
        stack=stack_fitted("\nbecause of ".join(places)),
        message=storable(masked("\n".join(said)[:_LOOKED_AT]), MESSAGE_LENGTH),
    )


def stack_fitted(text: str) -> str:
    """At most STACK_BYTES of it, both ends, without what looks like a secret."""
    text = masked(_ends(text, _LOOKED_AT))
    return storable(_ends(text, STACK_BYTES), STACK_BYTES)


def _links(last: TracebackException) -> Iterator[tuple[str, TracebackException]]:
    """The name of the exception's class, and the exception; then what led to it."""
    link: TracebackException | None = last
    for _ in range(_LINKS):
        if link is None:
            return
        kind = link.exc_type
        yield (kind.__qualname__ if kind is not None else "Exception"), link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _ends(text: str, size: int) -> str:
    data = text.encode(errors="replace")
    if len(data) <= size:
        return text
    cut = b"\n[cut]\n"
    half = (size - len(cut)) // 2
    return (data[:half] + cut + data[-half:]).decode(errors="ignore")
