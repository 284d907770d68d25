"""What the API document says of usage."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.utils import OpenApiParameter

from billing.selectors.usage import GROUPS
from taskmapr.core import errors
from taskmapr.core.json_schema import Schema, array, flag, one_of, record, text, whole
from taskmapr.foundation.openapi import answer, described

_DAY: Final = {"type": "string", "format": "date"}

_FIGURES: Final[dict[str, Schema]] = {
    "calls": whole(minimum=0),
    "failed": whole("Of the calls.", minimum=0),
    "unpriced": whole("Of the calls, those whose model has no price.", minimum=0),
    "input_tokens": whole(minimum=0),
    "output_tokens": whole(minimum=0),
    "cost_usd_micros": whole("Millionths of a US dollar, as far as it is known.", minimum=0),
}


def _day(name: str, words: str) -> Any:
    return OpenApiParameter(name, _DAY, description=words)


USAGE: Final = described(
    "See what was used",
    tag="Intents",
    parameters=[
        _day("from", "The first day, in UTC; at most 365 days before `to`. 29 days before `to`."),
        _day("to", "The last day, in UTC. Today."),
        OpenApiParameter("group_by", {"type": "string", "enum": list(GROUPS), "default": "day"}),
    ],
    answers={
        200: answer(
            record(
                {
                    "from": text(),
                    "to": text(),
                    "group_by": one_of(*GROUPS),
                    "usage": array(
                        record(
                            _FIGURES,
                            {
                                "tool": text("A tool, or `model:<name>`."),
                                "intent": text("An intent, `task.<type>`, or a kind of run."),
                                "user": text("The id of a user."),
                                "day": text("In UTC."),
                            },
                        ),
                        "At most 1000 groups.",
                    ),
                    "total": record(_FIGURES),
                    "is_cut": flag("There are more groups."),
                }
            ),
            "The caller's own; for staff, everybody's.",
        )
    },
    problems=(errors.InvalidInput,),
)
