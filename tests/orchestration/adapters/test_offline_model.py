"""The built-in model: what it makes of a page, and scripts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from orchestration.adapters.offline.replies import NOTICE
from orchestration.adapters.offline_model import OfflineModel
from orchestration.page.request import parse_request
from taskmapr.core.errors import ModelAuthFailed, ModelFailed
from taskmapr.core.ports import ModelEndpoint, ModelRequest, ModelResponse, ToolDefinition
from tests.orchestration.adapters.conformance import Heard

pytestmark = pytest.mark.anyio

RECORDED = Path(__file__).parents[2] / "page" / "overlay_requests.json"
UI_TOOLS = ("ui_navigate", "ui_highlight", "ui_scroll_to")
CARDS = {
    "card-1": "HighIn ProgressOnboard new hirePrepare a desk.Assignee: Avery",
    "card-2": "HighBlockedShip feature reviewPrepare slides.Assignee: Jordan",
    "card-3": "LowDoneReview vendor contractsCheck terms.Assignee: Samira",
}


def element(element_id: str, text: str, tag: str = "div", **more: Any) -> dict[str, Any]:
    return {"id": element_id, "tagName": tag, "textContent": text, "isInteractive": False, **more}


def board() -> dict[str, Any]:
    """A page of a task board, as an overlay sends it."""
    everything = "Workspace" + "".join(CARDS.values())
    cards = [
        element(f"task-{i}", t, "article", role="button", isInteractive=True)
        for i, t in CARDS.items()
    ]
    return {
        "pageContext": {"pathname": "/tasks", "search": "", "hash": "", "title": "Board"},
        "domElements": [
            element("root", everything),
            element("main", everything[:200], "main"),
            element("tasks-heading", "Tasks", "h1"),
            element("nav-people", "People", "a", href="/people?sort=name", isInteractive=True),
            *cards,
            element("secret", "Hidden launch plan", isVisible=False),
        ],
    }


async def turn(
    prompt: str,
    *,
    page: Mapping[str, Any] | None = None,
    tools: Sequence[str] = UI_TOOLS,
    before: Sequence[Mapping[str, Any]] = (),
    after: Sequence[Mapping[str, Any]] = (),
    extra: Mapping[str, Any] | None = None,
    heard: Heard | None = None,
) -> ModelResponse:
    request = ModelRequest(
        endpoint=ModelEndpoint(model="mock/echo", extra=extra or {}),
        instructions="Be brief.",
        messages=[*before, {"role": "user", "content": prompt}, *after],
        tools=[ToolDefinition(name=name, summary="", input_schema={}) for name in tools],
        page=page,
    )
    return await OfflineModel().respond(request, heard or Heard())


def calls_of(response: ModelResponse) -> list[tuple[str, Any]]:
    return [(call.name, orjson.loads(call.arguments)) for call in response.tool_calls]


def after_calls(response: ModelResponse, *results: str) -> list[dict[str, Any]]:
    """The messages with which the loop goes on after a turn that called tools."""
    calls = [
        {
            "id": c.call_id,
            "type": "function",
            "function": {"name": c.name, "arguments": c.arguments},
        }
        for c in response.tool_calls
    ]
    answers = zip(response.tool_calls, results, strict=True)
    return [
        {"role": "assistant", "content": response.text, "tool_calls": calls},
        *({"role": "tool", "tool_call_id": c.call_id, "content": text} for c, text in answers),
    ]


@pytest.mark.req("OV-62", "OV-S1")
async def test_greets_and_says_what_it_is() -> None:
    heard = Heard()
    response = await turn("Hello", heard=heard)
    assert response.text.startswith("Hello.")
    assert NOTICE in response.text
    assert "OPENAI_API_KEY" in NOTICE
    assert "".join(heard.of("text")) == response.text
    assert len(heard.said) > 5
    assert (response.tool_calls, response.finish_reason) == ([], "stop")


async def test_says_what_it_is_once_in_a_conversation() -> None:
    first = await turn("Hello")
    before = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": first.text},
    ]
    assert NOTICE not in (await turn("Hi", before=before)).text


@pytest.mark.req("OV-62")
async def test_answers_the_same_question_in_the_same_way() -> None:
    page = board()
    assert await turn("what is blocked?", page=page) == await turn("what is blocked?", page=page)


async def test_describes_the_page() -> None:
    text = (await turn("What is on this page", page=board())).text
    assert 'You are on /tasks (Board).\nHeadings: "Tasks".' in text
    assert "3 buttons" in text
    assert '"High · Blocked · Ship feature review' in text
    assert "Workspace" not in text
    assert "Hidden" not in text


async def test_shows_what_is_asked_for_and_highlights_it() -> None:
    page = board()
    first = await turn("Show me blocked tasks", page=page)
    assert "Ship feature review" in first.text
    assert "Onboard" not in first.text
    assert calls_of(first) == [("ui_highlight", {"selectors": ["#task-card-2"]})]
    assert first.finish_reason == "tool_calls"
    second = await turn(
        "Show me blocked tasks", page=page, after=after_calls(first, '{"queued":true}')
    )
    assert second.text == f"\n\nHighlighted #task-card-2.\n\n{NOTICE}"
    assert second.tool_calls == []


@pytest.mark.parametrize(
    ("number", "says", "does"),
    [
        (
            0,
            "Ship Q4 feature review",
            [("ui_highlight", {"selectors": ["#task-card-task-2"]})],
        ),
        (1, 'Headings: "Dashboard overview".', []),
        (
            2,
            "",
            [
                ("ui_navigate", {"path": "/team"}),
                ("ui_highlight", {"selectors": ["#team-heading"]}),
            ],
        ),
    ],
)
async def test_answers_requests_of_a_real_overlay(
    number: int, says: str, does: list[tuple[str, Any]]
) -> None:
    body = orjson.loads(RECORDED.read_bytes())[number]
    response = await turn(body["prompt"], page=parse_request(body).as_stored())
    assert says in response.text
    assert calls_of(response) == does


async def test_shows_all_members_of_a_list() -> None:
    response = await turn("highlight the tasks", page=board())
    assert calls_of(response) == [
        ("ui_highlight", {"selectors": ["#task-card-1", "#task-card-2", "#task-card-3"]})
    ]


async def test_counts() -> None:
    assert "I count 3 things:" in (await turn("How many tasks are there?", page=board())).text


async def test_answers_a_question_with_what_the_page_says() -> None:
    text = (await turn("Who has the vendor contracts?", page=board())).text
    assert text.startswith('The page says "Low · Done · Review vendor contracts')
    assert "Samira" in text


async def test_forgives_a_misspelt_word() -> None:
    response = await turn("highlight the vender contracts", page=board())
    assert calls_of(response) == [("ui_highlight", {"selectors": ["#task-card-3"]})]


async def test_admits_that_it_found_nothing() -> None:
    response = await turn("where is the espresso machine", page=board())
    assert "found nothing" in response.text
    assert response.tool_calls == []


@pytest.mark.parametrize(
    ("prompt", "path"),
    [
        ("go to the people page", "/people?sort=name"),
        ("Open /reports/2026?q=1", "/reports/2026?q=1"),
        ("take me to team settings", "/team-settings"),
    ],
)
async def test_opens_pages(prompt: str, path: str) -> None:
    assert calls_of(await turn(prompt, page=board())) == [("ui_navigate", {"path": path})]


async def test_opens_a_page_and_highlights_its_heading() -> None:
    prompt = "Go to the team page and highlight it"
    first = await turn(prompt, page=board())
    assert calls_of(first) == [
        ("ui_navigate", {"path": "/team"}),
        ("ui_highlight", {"selectors": ["#tasks-heading".replace("tasks", "team")]}),
    ]
    second = await turn(prompt, page=board(), after=after_calls(first, "{}", "{}"))
    assert second.text.startswith("Opened /team and highlighted #team-heading.")


async def test_scrolls() -> None:
    response = await turn("scroll to the vendor contracts", page=board())
    assert calls_of(response) == [("ui_scroll_to", {"selector": "#task-card-3"})]


async def test_tells_when_a_tool_failed() -> None:
    first = await turn("open /x", page=board())
    second = await turn("open /x", after=after_calls(first, '{"error":"Path refused."}'))
    assert second.text.startswith("The tool ui_navigate did not work: Path refused.")


async def test_calls_only_tools_that_were_offered() -> None:
    for prompt in ("open /x", "show me blocked tasks", "scroll to the vendor contracts"):
        assert (await turn(prompt, page=board(), tools=())).tool_calls == []


async def test_any_offered_tool_can_be_called_by_hand() -> None:
    response = await turn('call docs.search {"query": "keys"}', tools=["docs_search"])
    assert calls_of(response) == [("docs_search", {"query": "keys"})]
    assert (await turn('call docs.search {"query"', tools=["docs_search"])).tool_calls == []


@pytest.mark.req("OV-S14")
async def test_remembers_what_was_said_before() -> None:
    before = [
        {"role": "user", "content": "My name is Ada"},
        {"role": "assistant", "content": "Hello."},
    ]
    assert '"My name is Ada"' in (await turn("What did I say before?", before=before)).text


async def test_manages_without_a_page() -> None:
    assert 'You said: "tell me a joke"' in (await turn("tell me a joke")).text
    empty = parse_request({"prompt": "x"}).as_stored()
    for page in (None, empty):
        assert "No page was sent" in (await turn("what is on this page", page=page)).text


async def test_survives_a_page_with_missing_members() -> None:
    page = {"domElements": [{}, {"id": "only-id"}, {"tagName": "H2", "textContent": None}]}
    assert "You are on /" in (await turn("what is on this page", page=page)).text
    assert (await turn("only", page=page)).text


async def test_a_page_of_the_largest_size_is_read_quickly() -> None:
    text = "Some Words that Fill the element Number "
    many = [element(f"e{i}", (text + f"w{i} ") * 5) for i in range(500)]
    began = time.perf_counter()
    await turn("find the wrods that fill", page={"domElements": many})
    assert time.perf_counter() - began < 1.0


async def test_reports_usage_in_words() -> None:
    response = await turn("Hello")
    assert response.input_tokens == 3
    assert response.output_tokens == len(response.text.split())


# Scripts -----------------------------------------------------------------------------------------


@pytest.mark.req("OV-62", "OV-S4")
async def test_a_script_decides_every_delta() -> None:
    pieces = ["Done [ACT", 'IONS]{"navigate":"/po', 'sts"}[/ACTI', "ONS] ok"]
    heard = Heard()
    script = [[{"reasoning": ["Hm ", "so."]}, {"text": pieces}]]
    response = await turn("x", extra={"script": script}, heard=heard)
    assert heard.said == [("reasoning", "Hm "), ("reasoning", "so.")] + [
        ("text", piece) for piece in pieces
    ]
    assert (response.text, response.reasoning) == ("".join(pieces), "Hm so.")


@pytest.mark.req("OV-62")
async def test_a_script_calls_tools_turn_by_turn() -> None:
    script = [
        [{"text": "On it."}, {"call": "ui_navigate", "arguments": {"path": "/a"}, "id": "c1"}],
        [{"text": "There."}],
    ]
    first = await turn("x", extra={"script": script})
    assert calls_of(first) == [("ui_navigate", {"path": "/a"})]
    second = await turn("x", extra={"script": script}, after=after_calls(first, "{}"))
    assert second.text == "There."


@pytest.mark.req("OV-62")
async def test_a_script_fails_after_its_text() -> None:
    heard = Heard()
    script = [[{"text": "Well"}, {"fail": "llm_unavailable"}]]
    with pytest.raises(ModelFailed):
        await turn("x", extra={"script": script}, heard=heard)
    assert heard.said == [("text", "Well")]
    with pytest.raises(ModelAuthFailed):
        await turn("x", extra={"script": [[{"fail": "llm_auth_failed"}]]})
    with pytest.raises(ValueError, match="not the code"):
        await turn("x", extra={"script": [[{"fail": "not_found"}]]})


@pytest.mark.req("OV-62")
async def test_a_script_waits_and_can_be_cancelled() -> None:
    heard = Heard()
    script = [[{"text": "a"}, {"delay_ms": 60_000}, {"text": "b"}]]
    running = asyncio.create_task(turn("x", extra={"script": script}, heard=heard))
    while not heard.said:
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert heard.said == [("text", "a")]


async def test_a_script_may_be_a_file_with_prompts(tmp_path: Path) -> None:
    file = tmp_path / "script.json"
    file.write_bytes(orjson.dumps({"ping": [[{"text": "pong"}]]}))
    assert (await turn("ping", extra={"script": str(file)})).text == "pong"
    assert (await turn("Hello", extra={"script": str(file)})).text.startswith("Hello.")


async def test_the_marks_around_data_are_not_repeated_to_the_user() -> None:
    first = await turn('call shop.stock {"item": "tea"}', tools=["shop_stock"])
    block = '<<page-data 0123456789abcdef>>\n{"left": 7}\n<<end of page-data 0123456789abcdef>>'
    said = await turn(
        'call shop.stock {"item": "tea"}', tools=["shop_stock"], after=after_calls(first, block)
    )
    assert "page-data" not in said.text
