from __future__ import annotations

import pytest

from agents_cfg.models import ModelProfile, OverlayProfile
from agents_cfg.selectors.profiles import profiles_forget
from taskmapr.core.errors import ModelRefusedContext
from taskmapr.users.models import User
from tests.orchestration.engines.conversing import Ask, ScriptedModel, Turn, events


@pytest.fixture
def small_model(ada: User, request: pytest.FixtureRequest) -> None:
    """The default profile's model takes so many tokens."""
    row = ModelProfile.objects.create(
        name="small", model="mock/small", adapter="offline", context_tokens=request.param
    )
    OverlayProfile.objects.update_or_create(is_default=True, defaults={"model": row})
    OverlayProfile.objects.filter(is_default=True).update(max_output_tokens=100)
    profiles_forget()


LONG_HISTORY = [
    {"role": role, "content": f"{n} " + "x" * 2_000}
    for n in range(8)
    for role in ("user", "assistant")
]
PAGE = [{"id": f"e{n}", "tagName": "button", "textContent": "text " * 30} for n in range(20)]


@pytest.mark.req("OV-39")
@pytest.mark.parametrize("small_model", [4_000], indirect=True)
def test_a_small_window_is_told_less_and_the_run_says_so(
    ask: Ask, model: ScriptedModel, small_model: None
) -> None:
    run = ask(
        {"prompt": "hi", "history": LONG_HISTORY, "domElements": PAGE},
        Turn(text=["x"]),
        profile_id=OverlayProfile.objects.get(is_default=True).pk,
        model="mock/small",
    )

    (asked,) = model.requests
    kept = [m["content"][0] for m in asked.messages]
    assert kept[-1] == "h"
    assert 1 < len(kept) < 17
    assert kept[0] == kept[1] != "0"
    assert "TEXT PREVIEWS" not in asked.instructions
    assert "INTERACTIVE ELEMENTS" in asked.instructions
    assert run.instructions == asked.instructions
    (metadata,) = events(run, "metadata")
    (warning,) = metadata.data["warnings"]
    assert "mock/small: text previews" in warning
    assert f"{17 - len(kept)} earlier messages" in warning


@pytest.mark.req("OV-39")
def test_a_refused_context_is_told_once_more_and_smaller(ask: Ask, model: ScriptedModel) -> None:
    run = ask(
        {"prompt": "hi", "history": LONG_HISTORY},
        Turn(failure=ModelRefusedContext()),
        Turn(calls=[("ui_navigate", {"path": "/a"})]),
        Turn(text=["x"]),
    )

    assert run.status == "succeeded"
    sizes = [len(asked.messages) for asked in model.requests]
    assert sizes[0] == 17
    assert 1 <= sizes[1] < 10
    assert sizes[2] <= sizes[1] + 2
    warnings = events(run, "metadata")[0].data["warnings"]
    assert [w for w in warnings if w.startswith("Left out")] == warnings[-1:]


@pytest.mark.req("OV-39")
def test_a_context_refused_for_good_ends_the_run(ask: Ask, model: ScriptedModel) -> None:
    run = ask({"prompt": "hi", "history": LONG_HISTORY}, *[Turn(failure=ModelRefusedContext())] * 2)

    assert (run.status, run.error_code) == ("failed", "llm_refused_context")
    assert len(model.requests) == 2
