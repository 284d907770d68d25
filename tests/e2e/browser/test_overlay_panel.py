"""The overlay's panel: how answers are drawn, what is told when something goes wrong."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.keys import Keys

from tests.e2e.browser.console import Console
from tests.e2e.browser.proxy import Wire
from tests.e2e.stack import Stack, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

#: Draws Markdown with the module itself and tells the HTML that the browser made of it.
_DRAW = """
const [text, isOpen, done] = arguments;
import('/assets/taskmapr/overlay/markdown.js').then(({ MarkdownView }) => {
  const view = new MarkdownView();
  view.update(text, isOpen);
  done(view.node.innerHTML);
}, (error) => done(String(error)));
"""
#: Answers the next requests for a run in the server's place: a list of (status, body, headers).
_INSTEAD = """
window.requests = [];
const send = window.fetch, answers = arguments[0];
window.fetch = async (address, how) => {
  if (!String(address).endsWith("/orchestrate")) return send(address, how);
  window.requests.push({ key: how.headers["Idempotency-Key"], body: how.body });
  if (!answers.length) return send(address, how);
  const [status, body, headers] = answers.shift();
  if (!status) throw new TypeError("Failed to fetch");
  return new Response(JSON.stringify(body), { status, headers });
};
"""


@pytest.fixture
def paper(chromium: Chrome, stack: Stack) -> Chrome:
    """A page of the server, for its modules. One for all tests: what they draw stays outside."""
    address = f"{stack.address()}/console/parts/"
    if chromium.current_url != address:
        chromium.get(address)
    return chromium


def drawn(paper: Chrome, text: str, *, is_open: bool = False) -> str:
    return paper.execute_async_script(_DRAW, text, is_open)


def instead(console: Console, *answers: tuple[int, dict[str, Any], dict[str, str]]) -> None:
    console.browser.execute_script(_INSTEAD, [list(answer) for answer in answers])


def problem(status: int, code: str, **headers: str) -> tuple[int, dict[str, Any], dict[str, str]]:
    body = {"code": code, "title": f"The title of {code}", "detail": "The detail."}
    return status, body, {"Content-Type": "application/problem+json", **headers}


MARKDOWN = [
    ("one\ntwo", "<p>one<br>two</p>"),
    ("one\n\ntwo", "<p>one</p><p>two</p>"),
    ("# A\n### B", "<h3>A</h3><h5>B</h5>"),
    (
        "**b** and *i* and __b__ and _i_",
        "<p><strong>b</strong> and <em>i</em> and <strong>b</strong> and <em>i</em></p>",
    ),
    ("***both***", "<p><strong><em>both</em></strong></p>"),
    ("**a *b* c**", "<p><strong>a <em>b</em> c</strong></p>"),
    ("2 * 3 * 4, snake_case_name", "<p>2 * 3 * 4, snake_case_name</p>"),
    ("~~gone~~ ~kept~", "<p><del>gone</del> ~kept~</p>"),
    ("`a < b` and ``a`b``", "<p><code>a &lt; b</code> and <code>a`b</code></p>"),
    (r"\*not\* \\", "<p>*not* \\</p>"),
    ("a **b", "<p>a **b</p>"),
    ("- a\n- b\n  - c", "<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul>"),
    ("3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'),
    ("- [x] done\n- [ ] open", "<ul><li>☑ done</li><li>☐ open</li></ul>"),
    ("1. a\n\n   more\n2. b", '<ol start="1"><li>a<p>more</p></li><li>b</li></ol>'),
    ("> a\n> - b", "<blockquote><p>a</p><ul><li>b</li></ul></blockquote>"),
    ("a\n\n---\n\nb", "<p>a</p><hr><p>b</p>"),
    ("<b onclick=x>&amp;</b>", "<p>&lt;b onclick=x&gt;&amp;amp;&lt;/b&gt;</p>"),
    ("[1] and [ACTION]", "<p>[1] and [ACTION]</p>"),
    ("[x](javascript:alert(1))", "<p><span>x</span></p>"),
    ("[x](data:text/html,1)", "<p><span>x</span></p>"),
    ("![cat](javascript:1)", "<p><span>cat</span></p>"),
]


@pytest.mark.parametrize(("text", "html"), MARKDOWN)
def test_markdown_becomes_elements_and_nothing_else(paper: Chrome, text: str, html: str) -> None:
    assert drawn(paper, text) == html


def test_links_lead_to_pages_only_and_say_when_they_leave(paper: Chrome) -> None:
    html = drawn(
        paper,
        "[in](/console/team?a=(b)) [out](https://example.org/x 'T') https://example.org/a_b). <http://e.org>",
    )

    base = paper.current_url.split("/console")[0]
    away = 'target="_blank" rel="noopener noreferrer"'
    assert html == (
        f'<p><a href="{base}/console/team?a=(b)">in</a> '
        f'<a href="https://example.org/x" {away}>out</a> '
        f'<a href="https://example.org/a_b" {away}>https://example.org/a_b</a>). '
        f'<a href="http://e.org/" {away}>http://e.org</a></p>'
    )


def test_code_has_its_language_and_a_button_that_copies(paper: Chrome) -> None:
    html = drawn(paper, "```py\nif a < b:\n\n    **no**\n```\nafter")

    assert 'data-language="py"' in html
    assert "<code>if a &lt; b:\n\n    **no**</code>" in html
    assert ">Copy</button>" in html
    assert html.endswith("<p>after</p>")


def test_tables_have_heads_and_sides(paper: Chrome) -> None:
    html = drawn(paper, "| a | b |\n|---|--:|\n| 1 | x \\| `y` |\n| 2 |\n\nafter")

    assert (
        '<th data-align="left" scope="col">a</th><th data-align="right" scope="col">b</th>' in html
    )
    assert '<td data-align="left">1</td><td data-align="right">x | <code>y</code></td>' in html
    assert '<td data-align="left">2</td><td data-align="right"></td>' in html
    assert html.endswith("<p>after</p>")


@pytest.mark.req("OV-30")
@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("so **bold", "<p>so <strong>bold</strong></p>"),
        ("so **", "<p>so </p>"),
        ("so `co", "<p>so <code>co</code></p>"),
        ("see [the pa", "<p>see <span>the pa</span></p>"),
        ("see [the page](https://exa", "<p>see <span>the page</span></p>"),
        ("- a\n- **b", "<ul><li>a</li><li><strong>b</strong></li></ul>"),
        ("a **b\n\nc", "<p>a **b</p><p>c</p>"),
        ("##", "<h4></h4>"),
    ],
)
def test_what_is_half_said_looks_as_it_will(paper: Chrome, text: str, html: str) -> None:
    assert drawn(paper, text, is_open=True) == html


@pytest.mark.parametrize("text", ["```py\nx = 1\n``", "```py\nx = 1"])
def test_half_a_piece_of_code_shows_no_marks(paper: Chrome, text: str) -> None:
    assert "<code>x = 1</code>" in drawn(paper, text, is_open=True)


@pytest.mark.parametrize("text", ["| a | b |", "| a | b |\n|--", "| a | b |\n"])
def test_half_a_table_is_a_table_already(paper: Chrome, text: str) -> None:
    assert '<th data-align="left" scope="col">b</th>' in drawn(paper, text, is_open=True)


@pytest.mark.parametrize("piece", ["**a ", "[", "[a](", "`", "> ", "- ", "|", "*_~`"])
def test_hostile_lengths_are_drawn_within_a_second(paper: Chrome, piece: str) -> None:
    started = paper.execute_script("return performance.now()")

    drawn(paper, piece * (32_000 // len(piece)))

    assert paper.execute_script("return performance.now()") - started < 1_000


def test_blocks_that_are_finished_are_not_drawn_again(console: Console, stack: Stack) -> None:
    stack.models.script("scripted", {"text": ["# One\n\n", "two ", "three"], "held_after": [2]})

    console.ask("Tell me")
    console.wait_for_text("two")
    console.browser.execute_script(
        "window.heading = [...document.querySelectorAll('[data-scheme]')]"
        ".find((e) => e.shadowRoot).shadowRoot.querySelector('h3')"
    )
    stack.models.release("scripted")
    console.wait_for_text("three")
    console.wait_for_end()

    assert console.script("window.heading.isConnected && window.heading.textContent") == "One"


def test_thoughts_are_folded_and_say_how_long_they_took(console: Console, stack: Stack) -> None:
    stack.models.script("scripted", {"reasoning": ["Hm. ", "Yes."], "text": "It is so."})

    console.ask_and_wait("Is it?")

    thoughts = console.one(".tm-thoughts")
    assert thoughts.text.startswith("Thought for ")
    assert "Hm." not in thoughts.text
    thoughts.find_element("css selector", "summary").click()
    assert "Hm. Yes." in thoughts.text


def test_an_answer_can_be_copied(console: Console, stack: Stack) -> None:
    stack.models.script("scripted", {"text": "So **be** it."})
    console.ask_and_wait("Say it")
    console.browser.execute_script(
        "navigator.clipboard.writeText = async (text) => { window.copied = text }"
    )

    console.button("Copy answer").click()

    wait_until(lambda: console.script("window.copied ?? ''") == "So **be** it.")


def test_a_new_conversation_forgets_the_old_one(console: Console, stack: Stack) -> None:
    stack.models.script("scripted", {"text": "One."}, {"text": "Two."})
    console.ask_and_wait("First?")

    console.button("New conversation").click()
    assert console.all(".tm-overlay-message") == []
    console.ask_and_wait("Second?")

    _, second = console.sent_bodies
    assert "sessionId" not in second
    assert [message["content"] for message in second["history"]] == ["Second?", ""]
    assert console.run_id


@pytest.mark.req("OV-20")
@pytest.mark.parametrize(
    ("status", "code", "meaning", "advice", "can_retry"),
    [
        (401, "token_expired", "Your sign-in has run out.", "Reload this page", False),
        (403, "session_forbidden", "belongs to somebody else", "Begin a new conversation", False),
        (404, "not_found", "does not exist on the server", "Check the endpoint", False),
        (409, "session_busy", "still being answered", "Wait for them, or stop them", True),
        (413, "payload_too_large", "more than the server takes", "Ask with less text", False),
        (422, "validation_error", "could not read the request", "Ask in other words", False),
        (503, "queue_unavailable", "cannot take work", "Ask again in a minute", True),
        (500, "internal_error", "was not asked", "Ask again in a moment", True),
    ],
)
def test_a_refusal_says_what_happened_what_it_means_and_what_to_do(
    console: Console, status: int, code: str, meaning: str, advice: str, can_retry: bool
) -> None:
    instead(console, problem(status, code))

    console.ask_and_wait("Hello")

    note = console.one(".tm-overlay-message .tm-note")
    assert f"The title of {code}: The detail." in note.text
    assert meaning in note.text
    assert advice in note.text
    assert (
        "Ask again" in [b.text for b in note.find_elements("css selector", "button")]
    ) == can_retry
    assert (
        note.find_element("css selector", "a").get_attribute("href").endswith(f"/problems/{code}")
    )


@pytest.mark.req("OV-57", "OV-69")
def test_who_asks_too_often_is_told_when_to_come_back(console: Console, stack: Stack) -> None:
    stack.models.script("scripted", {"text": "Now."})
    instead(console, problem(429, "rate_limited", **{"Retry-After": "2"}))

    console.ask_and_wait("Hello")
    button = console.one(".tm-note button")
    assert button.text == "Ask again in 2 s"
    assert not button.is_enabled()
    wait_until(lambda: button.text == "Ask again" and button.is_enabled())
    button.click()

    wait_until(lambda: console.answer == "Now.")
    assert len(console.all(".tm-overlay-message")) == 2


@pytest.mark.req("OV-68", "OV-69")
def test_a_request_that_was_lost_is_sent_again_with_the_same_key(
    console: Console, stack: Stack
) -> None:
    stack.models.script("scripted", {"text": "Here."})
    instead(console, (0, {}, {}), (502, {}, {}))
    console.hasten()

    console.ask_and_wait("Hello")

    assert console.answer == "Here."
    assert console.waits == [1_000, 2_000]
    requests = json.loads(console.script("JSON.stringify(window.requests)"))
    assert len(requests) == 3
    assert len({(r["key"], r["body"]) for r in requests}) == 1
    assert len(requests[0]["key"]) == 32


@pytest.mark.req("OV-69")
def test_a_server_that_sends_no_headers_is_asked_again_after_30_seconds(
    console: Console, stack: Stack
) -> None:
    stack.models.script("scripted", {"text": "Here."})
    console.browser.execute_script(
        "const later = window.setTimeout, send = window.fetch; window.waits = [];"
        "window.setTimeout = (f, ms, ...more) => { waits.push(ms);"
        " return later(f, ms === 30_000 && waits.filter((w) => w === ms).length === 1 ? 50 : ms,"
        " ...more) };"
        "let asked = 0; window.fetch = (address, how) => {"
        " if (!String(address).endsWith('/orchestrate') || asked++) return send(address, how);"
        " return new Promise((_, no) => how.signal.addEventListener('abort',"
        " () => no(how.signal.reason))) };"
    )

    console.ask_and_wait("Hello")

    assert console.answer == "Here."
    assert console.script("window.waits.filter((ms) => ms === 30000).length") >= 2


@pytest.mark.req("OV-69")
def test_three_resends_are_enough(console: Console) -> None:
    instead(console, *[(0, {}, {})] * 8)
    console.hasten()

    console.ask_and_wait("Hello")

    assert console.waits == [1_000, 2_000, 4_000]
    assert "could not be reached" in console.one(".tm-note").text
    assert console.script("window.requests.length") == 4


@pytest.mark.req("OV-68")
def test_a_reload_before_the_run_has_a_name_asks_for_the_same_run(
    console: Console, stack: Stack, wire: Wire
) -> None:
    stack.models.script("scripted", {"text": "Here."})
    there = Console(console.browser, wire.url).open()
    wire.is_down = True
    wire.cut()
    there.ask("Hello")
    wait_until(lambda: "Connection lost" in there.one(".tm-overlay-note").text)
    key = there.script(
        "JSON.parse(sessionStorage['taskmapr.overlay:' + location.origin]).asking.key"
    )
    wire.is_down = False

    there.browser.refresh()
    there.wait_for_panel()
    there.wait_for_end()

    assert there.answer == "Here."
    assert len(key) == 32
    assert len(there.all(".tm-overlay-message")) == 2


@pytest.mark.req("OV-18", "OV-63")
def test_a_warning_is_told_once_and_can_be_dismissed(console: Console) -> None:
    frames = [
        ("metadata", {"sessionId": "s", "persistence": "memory", "warnings": ["Mind the gap."]}),
        ("text_delta", {"delta": "Yes.", "text": "Yes."}),
        ("metadata", {"sessionId": "s", "persistence": "memory", "warnings": ["Mind the gap."]}),
        ("complete", {"sessionId": "s", "status": "succeeded"}),
    ]
    body = "".join(
        f"id: r:{n}\ndata: {json.dumps({'type': kind, 'run_id': 'r', 'seq': n, 'data': data})}\n\n"
        for n, (kind, data) in enumerate(frames, start=1)
    )
    console.browser.execute_script(
        "const send = window.fetch, [body] = arguments;"
        "window.fetch = async (address, how) => String(address).endsWith('/orchestrate')"
        " ? new Response(body, { headers: { 'X-Run-Id': 'r' } }) : send(address, how);",
        body,
    )

    console.ask_and_wait("Hello?")
    console.ask_and_wait("Again?")

    told = [note.text for note in console.all(".tm-overlay-warning")]
    assert len(told) == 2
    assert "may be lost when the server restarts" in told[0]
    assert told[1] == "Mind the gap."
    console.all(".tm-overlay-warning button")[1].click()
    assert len(console.all(".tm-overlay-warning")) == 1


@pytest.mark.req("OV-28")
def test_a_tour_waits_for_a_click_goes_back_and_survives_a_reload(
    console: Console, stack: Stack
) -> None:
    steps = [
        {"query": "#dismiss-news", "message": "Here."},
        {"query": "#metric-open", "waitForClick": False},
        {"query": "#nowhere", "message": "Gone."},
    ]
    call = {"name": "ui_start_walkthrough", "arguments": {"steps": steps}}
    stack.models.script("scripted", {"tool_calls": [call]}, {"text": "Come."}, {"text": "Well."})
    console.ask_and_wait("Show me around")
    wait_until(lambda: console.highlighted == ["dismiss-news"])
    assert "Click it to go on." in console.one(".tm-overlay-tour").text

    console.one("#metric-cycle").click()
    assert "Step 1 of 3" in console.one(".tm-overlay-tour").text
    console.button("Next").click()
    wait_until(lambda: console.highlighted == ["metric-open"])
    console.button("Back").click()
    wait_until(lambda: console.highlighted == ["dismiss-news"])
    console.one("#dismiss-news").click()
    wait_until(lambda: console.highlighted == ["metric-open"])

    console.browser.refresh()
    wait_until(lambda: console.highlighted == ["metric-open"])
    assert "Step 2 of 3" in console.one(".tm-overlay-tour").text
    console.button("Next").click()
    wait_until(lambda: "#nowhere is not on this page" in console.one(".tm-overlay-tour").text)
    console.press(Keys.ESCAPE)
    assert console.all(".tm-overlay-tour") == []


@pytest.mark.req("OV-28")
def test_who_leaves_the_page_of_a_tour_is_not_taken_back(console: Console, stack: Stack) -> None:
    steps = [{"query": "#demo-save", "page": "/demo/overlay/", "message": "Here it is saved."}]
    call = {"name": "ui_start_walkthrough", "arguments": {"steps": steps}}
    stack.models.script("scripted", {"tool_calls": [call]}, {"text": "Come."})

    console.ask("Show me where to save")
    wait_until(lambda: console.highlighted == ["demo-save"])
    assert console.path == "/demo/overlay/"
    console.browser.get(f"{console.base}/console/team")
    wait_until(lambda: bool(console.all(".tm-overlay-tour")))
    wait_until(lambda: "#demo-save is not on this page" in console.one(".tm-overlay-tour").text)

    assert console.path == "/console/team"
    console.button("End tour").click()


@pytest.mark.req("OV-69")
def test_a_refused_token_is_asked_for_once_more(browser: Chrome, stack: Stack) -> None:
    stack.models.script("scripted", {"text": "Known."})
    browser.get(f"{stack.address()}/console/parts/")
    browser.execute_script("sessionStorage.clear()")
    browser.execute_async_script(
        "const [done] = arguments; window.seen = []; window.asked = []; const send = window.fetch;"
        "window.fetch = (address, how) => { seen.push(how.headers.Authorization);"
        " return seen.length > 1 ? send(address, { ...how, headers: { ...how.headers,"
        " Authorization: undefined } }) : Promise.resolve(new Response('{}', { status: 401 })) };"
        "import('/static/taskmapr/overlay.js').then(({ mountOverlay }) => mountOverlay({"
        " token: ({ isRefused }) => { asked.push(isRefused); return isRefused ? 'new' : 'old' }"
        "}).ask('Hello')).then(done)"
    )

    assert browser.execute_script("return window.seen") == ["Bearer old", "Bearer new"]
    assert browser.execute_script("return window.asked") == [False, True]


@pytest.mark.req("OV-76")
def test_the_demo_shows_what_goes_over_the_wire(browser: Chrome, stack: Stack) -> None:
    stack.models.script(
        "scripted",
        {"tool_calls": [{"name": "ui_highlight", "arguments": {"selectors": ["PriceTable"]}}]},
        {"text": "There."},
    )
    demo = Console(browser, stack.address()).open("/demo/overlay/")

    demo.ask_and_wait("Where are the prices?")

    kinds = [line.get_attribute("data-type") for line in demo.all("#wire-frames > li")]
    assert kinds[:2] == ["request", "metadata"]
    assert kinds[-2:] == ["metadata", "complete"]
    for kind in ("tool_call_started", "actions", "tool_call_completed", "text_delta"):
        assert kind in kinds
    assert demo.highlighted == ["demo-table"], "found by its component's name"

    (body,) = demo.sent_bodies
    roles = {element["id"]: element for element in body["domElements"]}
    assert roles["demo-menu-tags"]["role"] == "menuitem"
    assert roles["demo-switch"]["isInteractive"] is True
    assert "value" not in roles["demo-password"]
    assert "demo-hidden-text" not in roles

    demo.one("#wire-type option[value='actions']").click()
    shown = [line for line in demo.all("#wire-frames > li") if line.is_displayed()]
    assert [line.get_attribute("data-type") for line in shown] == ["actions"]
    demo.one("#wire-raw").click()
    line = next(line for line in demo.all("#wire-frames > li") if line.is_displayed())
    line.find_element("css selector", "summary").click()
    told = line.find_element("css selector", "pre").text
    assert told.startswith(f"id: {demo.run_id}:")
    frame = json.loads(told.split("data: ", 1)[1])
    assert frame["data"]["actions"][0]["payload"]["selectors"] == ["PriceTable"]
    assert demo.complaints() == []


def test_the_page_about_embedding_makes_the_tag_that_is_chosen(console: Console) -> None:
    console.one("#nav-embed").click()
    console.one("#embed-theme option[value=''] ~ option:last-child").click()
    console.one("#embed-title").send_keys('Ask "us"')

    tag = console.one("#embed-tag").text
    script = f"{console.base}/static/taskmapr/overlay.js"
    assert tag == (
        f'<script type="module" src="{script}" data-endpoint="{console.base}"'
        ' data-theme="dark" data-title="Ask &quot;us&quot;"></script>'
    )


def token_of(subject: str) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"sub": subject, "name": "?>ü"}).encode())
    return f"e30.{claims.decode().rstrip('=')}.c2ln"


_MOUNT_AND_ASK = (
    "const [options, token, text, done] = arguments; window.overlay?.destroy();"
    "const send = window.fetch.plain ?? window.fetch;"
    "window.fetch = (address, how) => { const { Authorization, ...headers } = how.headers ?? {};"
    " return send(address, { ...how, headers }) }; window.fetch.plain = send;"
    "import('/static/taskmapr/overlay.js').then(async ({ mountOverlay }) => {"
    " window.overlay = mountOverlay({ ...options, token: async () => token || null });"
    " if (text) await overlay.ask(text); done() })"
)

_FOUND = (
    "return [overlay.host.shadowRoot.querySelectorAll('.tm-overlay-message').length,"
    " JSON.stringify(Object.values(sessionStorage)).includes('My secret?')]"
)


@pytest.mark.req("OV-69")
@pytest.mark.parametrize(
    ("ada", "ben"),
    [
        (({"user": "ada"}, ""), ({"user": "ben"}, "")),
        (({}, token_of("ada")), ({}, token_of("ben"))),
        (({}, token_of("ada")), ({}, "")),
        (({"user": "ada"}, token_of("shared")), ({}, token_of("shared"))),
    ],
    ids=["by name", "by token", "signed out", "by name, then by token"],
)
def test_the_next_user_of_a_tab_does_not_find_the_last_ones_conversation(
    browser: Chrome,
    stack: Stack,
    ada: tuple[dict[str, str], str],
    ben: tuple[dict[str, str], str],
) -> None:
    stack.models.script("scripted", {"text": "Known."})
    browser.get(f"{stack.address()}/console/parts/")
    browser.execute_script("sessionStorage.clear()")

    def found() -> tuple[int, bool]:
        """Messages in the panel, and whether the tab still knows the first one."""
        return tuple(browser.execute_script(_FOUND))

    browser.execute_async_script(_MOUNT_AND_ASK, *ada, "My secret?")
    assert found() == (2, True)

    browser.execute_async_script(_MOUNT_AND_ASK, *ada, "")
    wait_until(lambda: found() == (2, True))

    browser.execute_async_script(_MOUNT_AND_ASK, *ben, "")
    wait_until(lambda: found() == (0, False))
