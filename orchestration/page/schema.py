"""The overlay's request as JSON Schema: what a client should send.

The reader (`orchestration/page/request.py`) is more patient: it cuts what is longer and passes over
single items that it cannot read. The numbers are the reader's own.
"""

from __future__ import annotations

from typing import Final

from orchestration.page.elements import MAX_CLASS_NAMES, MAX_ELEMENTS, MAX_STRING, MAX_VALUE
from orchestration.page.history import MAX_CONTENT, MAX_HISTORY, ROLES
from orchestration.page.request import MAX_CUSTOM_BYTES, MAX_PROMPT, SESSION_ID
from taskmapr.core.json_schema import (
    Schema,
    any_object,
    array,
    flag,
    number,
    one_of,
    or_null,
    record,
    ref,
    text,
    whole,
)


def _all_optional(members: dict[str, Schema], description: str = "") -> Schema:
    """Every member may be absent or null."""
    return record({}, {name: or_null(schema) for name, schema in members.items()}) | (
        {"description": description} if description else {}
    )


_PROMPT: Final = text(
    f"What the user asks: 1 to {MAX_PROMPT} characters without the white space around them.",
    minLength=1,
    # The bound holds for the trimmed text; the schema language cannot say that.
    pattern=r"\S",
)

_POSITION: Final = _all_optional(
    {name: number() for name in ("top", "left", "width", "height")},
    "CSS pixels relative to the viewport; may be negative or fractional.",
)

_ELEMENT: Final = _all_optional(
    {
        "id": text(),
        "tagName": text("In lower or upper case."),
        "textContent": text(),
        "classNames": {
            "anyOf": [array(text()), text("Separated by spaces.")],
            "description": f"At most {MAX_CLASS_NAMES} are kept.",
        },
        "role": text(),
        "ariaLabel": text(),
        "ariaDescribedBy": text(),
        "placeholder": text(),
        "value": {
            "type": ["string", "number"],
            "description": f"Cut to {MAX_VALUE} characters. Values of password fields and of fields"
            " that look like holding a secret become `[redacted]` on arrival.",
        },
        "type": text("Of an input."),
        "href": text(),
        "position": _POSITION,
        "isInteractive": flag("Derived from tag and role when absent."),
        "isVisible": flag("true when absent."),
    },
    f"A snapshot of one element. Strings are cut to {MAX_STRING} characters.",
)

_HISTORY_ITEM: Final = _all_optional(
    {
        "id": text(),
        "role": one_of(*sorted(ROLES), description="`user` when absent."),
        "content": text(f"Cut to {MAX_CONTENT} characters."),
        "timestamp": text("ISO 8601."),
        "highlight": array(
            record({"selector": text()}, {"duration": whole("Milliseconds.")}),
            "What the answer pointed at; informative.",
        ),
    },
    "One message that the user has seen.",
)

_PAGE: Final = _all_optional(
    {
        "pathname": text("`/` when absent."),
        "search": text(),
        "hash": text(),
        "title": text(),
    },
    "Where the user is: parts of `window.location`, and the document's title.",
)

_WALKTHROUGH: Final = _all_optional(
    {
        "id": text(),
        "currentStepIndex": whole("Counts from 0.", minimum=0),
        "totalSteps": whole(minimum=0),
        "currentStep": any_object(),
    },
    "The guided tour that the user is in. When absent, `customContext.activeWalkthrough` is used.",
)

_CONFIG: Final = _all_optional(
    {
        "model": text("Honoured when the profile allows it."),
        "temperature": number("Clamped to 0..2."),
        "maxTokens": whole("Clamped to 1..the profile's limit."),
        "instructions": text("Ignored unless the profile allows it."),
        "framework": text("Ignored."),
    },
    "What the host page would like; the profile decides.",
)

_CUSTOM: Final = or_null(
    any_object(
        f"Any JSON of the host application, shown to the model. Cut at {MAX_CUSTOM_BYTES} bytes."
    )
)

_REQUEST: Final = record(
    {},
    {
        "prompt": _PROMPT,
        "message": {**_PROMPT, "description": "Another name for `prompt`."},
        "history": or_null(
            array(ref("HistoryItem"), f"Oldest first; the last {MAX_HISTORY} are kept.")
        ),
        "domElements": or_null(
            array(
                ref("DomElement"),
                f"The first {MAX_ELEMENTS} are kept, the others are only counted.",
            )
        ),
        "pageContext": or_null(ref("PageContext")),
        "walkthroughContext": or_null(ref("WalkthroughContext")),
        "customContext": _CUSTOM,
        "context": {**_CUSTOM, "description": "Another name for `customContext`."},
        "timestamp": or_null(text("ISO 8601; informative.")),
        "sessionId": or_null(
            text(
                "Continues that conversation, or begins one of this name. A new id is made when"
                " it is absent.",
                pattern=f"^{SESSION_ID.pattern}$",
            )
        ),
        "config": or_null(ref("RequestConfig")),
        "profile": or_null(text("The name of an overlay profile. Else the `Origin` chooses.")),
        "stream": or_null(flag("false asks for one JSON object.")),
    },
    description="A prompt and a picture of the page. Only the prompt is required; every other"
    " member may be absent or null, and unknown members are ignored. Long values are cut, and"
    " single items that cannot be read are passed over and counted in `metadata.dropped`.",
) | {"anyOf": [{"required": ["prompt"]}, {"required": ["message"]}]}

#: Components of the API document, by name.
COMPONENTS: Final[dict[str, Schema]] = {
    "OverlayRequest": _REQUEST,
    "DomElement": _ELEMENT,
    "HistoryItem": _HISTORY_ITEM,
    "PageContext": _PAGE,
    "WalkthroughContext": _WALKTHROUGH,
    "RequestConfig": _CONFIG,
}
