"""The frames of the overlay vocabulary and its JSON answer, as JSON Schema.

Tests hold every recorded frame against these, member by member.
"""

from __future__ import annotations

from typing import Final

from orchestration.dialects.overlay import RESULT_BYTES, RESULT_CHARACTERS
from taskmapr.core.json_schema import (
    Schema,
    any_object,
    array,
    flag,
    moment,
    one_of,
    or_null,
    record,
    ref,
    text,
    uuid,
    whole,
)

_STATUS: Final = one_of("succeeded", "failed", "cancelled", "timed_out")
_SESSION: Final = or_null(text("What to send as `sessionId` to go on with this conversation."))

_USAGE: Final = record(
    {name: whole(minimum=0) for name in ("input_tokens", "output_tokens", "total_tokens")},
    description="0 when the provider did not count.",
)

_HEAD: Final = {
    "sessionId": _SESSION,
    "run_id": uuid(),
    "model": text(),
    "resumed": flag("The session existed before."),
    "persistence": one_of("database", "memory"),
}

_TOTALS: Final = {
    "tools_used": array(record({"tool_name": text(), "status": text()})),
    "toolCalls": array(
        record({"tool": text(), "result": {}}),
        f"Results are cut to {RESULT_CHARACTERS} characters.",
    ),
    "page_context": ref("PageContext"),
    "tokensUsed": whole(minimum=0),
    "processingTime": whole("Milliseconds.", minimum=0),
    "usage": ref("Usage"),
}

_REMARKS: Final = {
    "dropped": whole("Elements and history items that could not be read.", minimum=1),
    "warnings": array(text()),
}

_ACTION: Final = record(
    {
        "type": text(
            "`navigate`, `highlight`, `scrollTo`, `click`, `startWalkthrough` or `custom`."
        ),
        "payload": any_object(),
    },
    description="Something that the page should do.",
)

_METADATA: Final = record(
    _HEAD,
    {**_TOTALS, **_REMARKS},
    description="The first frame says where this happens; the last frame but one says it again"
    " together with the totals. Keep the last one.",
)


def _delta(*names: str) -> Schema:
    return record({name: text(minLength=1) for name in names})


#: The `data` of each type of frame.
DATA: Final[dict[str, Schema]] = {
    "metadata": ref("OverlayMetadata"),
    "text_delta": {
        **_delta("delta", "text"),
        "description": "The next piece of the answer; both members say the same.",
    },
    "reasoning_start": record({"content": text()}),
    "reasoning_delta": _delta("delta", "text", "content"),
    "reasoning_done": record({"content": text(), "text": text()}),
    "tool_call_started": record(
        {"name": text(), "tool_name": text(), "args": any_object(), "call_id": text()}
    ),
    "tool_call_completed": record(
        {
            "name": text(),
            "tool_name": text(),
            "call_id": text(),
            "ok": flag(),
            "result": {"description": f"Any JSON, cut to {RESULT_BYTES} bytes."},
            "duration_ms": whole(minimum=0),
        },
        {"error": text()},
    ),
    "actions": record(
        {
            "actions": array(ref("UiAction"), minItems=1),
            "navigate": or_null(text("The first path.")),
            "highlight": or_null(text("The first selector.")),
        }
    ),
    "approval_requested": record(
        {
            "approval_id": text("What to answer to."),
            "asks": one_of("approval", "question", "outcome"),
            "tool_name": or_null(text()),
            "call_id": or_null(text()),
            "prompt": or_null(text()),
            "args": any_object(),
            "expires_at": moment(),
        },
        description="The run waits for a person.",
    ),
    "approval_resolved": record(
        {
            "approval_id": text("What to answer to."),
            "decision": one_of(
                *("approved", "denied", "answered", "happened", "not_happened", "expired")
            ),
            "by": text(),
        }
    ),
    "heartbeat": record({"time": moment()}),
    "error": record({"message": text(), "code": text(), "retryable": flag()}),
    "complete": record(
        {
            "sessionId": _SESSION,
            "run_id": uuid(),
            "status": _STATUS,
            "duration_ms": whole(minimum=0),
            "usage": ref("Usage"),
        },
        description="Always the last frame.",
    ),
}


def component_of(frame_type: str) -> str:
    """`text_delta` → `TextDeltaFrame`."""
    return "".join(map(str.title, frame_type.split("_"))) + "Frame"


def _frame(frame_type: str, data: Schema) -> Schema:
    name = {"type": "string", "const": frame_type}
    return record(
        {
            "type": name,
            "event": name,
            "run_id": uuid(),
            "seq": or_null(whole("null: this frame is not in the log.", minimum=1)),
            "timestamp": moment(),
            "data": data,
        }
    )


_ANSWER: Final = record(
    {
        "id": text(),
        "role": {"type": "string", "const": "assistant"},
        "content": text("Without action blocks."),
        "message": text("Equal to `content`."),
        "timestamp": moment(),
        "highlight": array(
            record({"selector": text(), "duration": or_null(whole("Milliseconds."))})
        ),
        "actions": array(ref("UiAction")),
        "metadata": ref("OverlayMetadata"),
        "sessionId": _SESSION,
        "run_id": uuid(),
        "status": _STATUS,
    },
    description="The whole run as one object.",
)

#: Components of the API document, by name.
COMPONENTS: Final[dict[str, Schema]] = {
    "OverlayFrame": {
        "description": "The JSON of one `data:` line of the stream. Ignore types that you do not"
        " know.",
        "oneOf": [ref(component_of(name)) for name in DATA],
        "discriminator": {
            "propertyName": "type",
            "mapping": {name: ref(component_of(name))["$ref"] for name in DATA},
        },
    },
    **{component_of(name): _frame(name, data) for name, data in DATA.items()},
    "OverlayMetadata": _METADATA,
    "OverlayAnswer": _ANSWER,
    "UiAction": _ACTION,
    "Usage": _USAGE,
}
