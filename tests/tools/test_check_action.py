from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.tools.ui_actions import ActionRules, check_action, rules_of
from taskmapr.core.errors import InvalidInput, ToolDenied

NOTHING = ActionRules()
HERE = ActionRules(origins=("https://docs.example.org", "http://LOCALHOST:3000"))
PAGE = [
    {"id": "tags", "tagName": "a", "textContent": "Tags"},
    {"id": "pw", "tagName": "input", "type": "password"},
    {"id": "otp", "tagName": "input", "placeholder": "Passcode"},
    {"id": "go", "tagName": "button", "type": "submit", "textContent": "Send"},
    {"id": "bin", "tagName": "button", "textContent": "Delete post"},
    {"id": ":r1:", "tagName": "button", "textContent": "More"},
]
CLICKS = ActionRules(click=True, dom_elements=PAGE)
ALL_CLICKS = ActionRules(click=True, click_submit=True, dom_elements=PAGE)


@pytest.mark.req("OV-28")
@pytest.mark.parametrize("path", ["/", "/tags?x=1#y", "/ä b", "/" + "x" * 2047])
def test_paths_that_may_be_opened(path):
    assert check_action("navigate", {"path": path}, NOTHING) == {"path": path}


@pytest.mark.req("OV-28")
@pytest.mark.parametrize(
    "path",
    [
        *(
            "",
            "tags",
            "//evil.example",
            "\\\\evil",
            "/\\evil",
            "/a\nb",
            "/\t/evil",
            " /a",
            "/\u202ea",
        ),
        *("javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "vbscript:x"),
        *("blob:https://docs.example.org/x", "ftp://docs.example.org", "https:docs.example.org"),
        *("http://[bad", "https://", "https://@docs.example.org", "/" + "x" * 2048, None, 7),
        "https://docs.example.org@evil.example/",
    ],
)
def test_paths_that_are_refused(path):
    with pytest.raises((InvalidInput, ToolDenied)):
        check_action("navigate", {"path": path}, HERE)


@pytest.mark.req("OV-28")
@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://docs.example.org", True),
        ("HTTPS://DOCS.example.org:443/a?b", True),
        ("http://localhost:3000/x", True),
        ("http://docs.example.org/", False),
        ("https://docs.example.org:8443/", False),
        ("https://docs.example.org.evil.example/", False),
        ("https://evil.example/https://docs.example.org", False),
    ],
)
def test_only_listed_origins_are_opened(url, allowed):
    if allowed:
        assert check_action("navigate", {"path": url}, HERE) == {"path": url}
    else:
        with pytest.raises(ToolDenied):
            check_action("navigate", {"path": url}, HERE)


@pytest.mark.req("OV-28")
@given(st.text(st.sampled_from("/\\:@.aehpstv jir\t\n\u200b?#[]"), max_size=14))
def test_a_path_always_stays_in_the_application(text):
    try:
        path = check_action("navigate", {"path": text}, NOTHING)["path"]
    except (InvalidInput, ToolDenied):
        return
    assert path.startswith("/")
    assert not path.startswith(("//", "/\\", "/\t"))


@pytest.mark.req("OV-28")
@pytest.mark.parametrize(
    ("told", "kept"), [(None, 5000), (0, 0), (60000, 60000), (70000, 60000), (-1, 0), (1.5, 1)]
)
def test_durations_are_kept_in_range(told, kept):
    payload = {"selectors": "#a", "duration": told}

    assert check_action("highlight", payload, NOTHING) == {"selectors": ["#a"], "duration": kept}


@pytest.mark.req("OV-28")
@pytest.mark.parametrize(
    "selectors", [None, [], "", " ", ["#a"] * 11, ["x" * 257], ["a\x07"], [5], {"a": 1}]
)
def test_selectors_are_checked(selectors):
    with pytest.raises(InvalidInput):
        check_action("highlight", {"selectors": selectors}, NOTHING)


@pytest.mark.req("OV-28")
def test_clicks_are_off_by_default():
    with pytest.raises(ToolDenied):
        check_action("click", {"selector": "#tags"}, ActionRules(dom_elements=PAGE))


@pytest.mark.req("OV-28")
@pytest.mark.parametrize("selector", ["#tags", '[id="tags"]', "[id=':r1:']"])
def test_harmless_elements_are_clicked(selector):
    assert check_action("click", {"selector": selector}, CLICKS) == {"selector": selector}


@pytest.mark.req("OV-15", "OV-28")
@pytest.mark.parametrize("selector", ["#pw", "#otp", '[id="pw"]', "input[type=password]"])
def test_secret_fields_are_never_clicked(selector):
    for rules in (CLICKS, ALL_CLICKS):
        with pytest.raises(ToolDenied):
            check_action("click", {"selector": selector}, rules)


@pytest.mark.req("OV-28")
@pytest.mark.parametrize(
    "selector", ["#go", "#bin", "#ghost", "#tags button", "button[type=submit]", "#tags, #go"]
)
def test_submit_and_delete_need_their_own_permission(selector):
    with pytest.raises(ToolDenied):
        check_action("click", {"selector": selector}, CLICKS)
    assert check_action("click", {"selector": selector}, ALL_CLICKS) == {"selector": selector}


@pytest.mark.req("OV-28")
def test_a_walkthrough_step_is_completed_and_checked():
    step = {"query": " #a ", "page": "/p", "duration": 9, "message": "m", "waitForClick": False}

    assert check_action("startWalkthrough", {"steps": [step]}, NOTHING) == {
        "steps": [{**step, "query": "#a"}]
    }
    for bad in ({"page": "//evil"}, {"message": 5}, {"query": ""}, {"duration": "5"}):
        with pytest.raises(InvalidInput):
            check_action("startWalkthrough", {"steps": [{"query": "#a", **bad}]}, NOTHING)


@pytest.mark.req("OV-28")
def test_custom_actions_are_limited_by_name_and_size():
    named = ActionRules(custom_names=("refresh",))

    assert check_action("custom", {"name": "refresh"}, named) == {"name": "refresh"}
    assert check_action("custom", {"x": "y" * 8_184}, NOTHING)
    with pytest.raises(ToolDenied):
        check_action("custom", {"name": "other"}, named)
    with pytest.raises(InvalidInput):
        check_action("custom", {"x": "y" * 8_185}, NOTHING)


def test_unknown_kinds_and_payloads_are_refused():
    for kind, payload in (("eval", {}), ("navigate", "x"), ("navigate", None)):
        with pytest.raises(InvalidInput):
            check_action(kind, payload, NOTHING)


def test_the_rules_are_read_from_options_and_request():
    options = {"origins": ["https://a"], "click": True, "custom_names": ["n"]}
    rules = rules_of(options, {"domElements": PAGE})

    assert (rules.origins, rules.click, rules.click_submit) == (("https://a",), True, False)
    assert set(rules.elements) == {"tags", "pw", "otp", "go", "bin", ":r1:"}
    assert rules_of({}, {}) == ActionRules()
