"""GET /usage"""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.test import Client

from billing.services.usage import Account, Figures, usage_add
from taskmapr.users.models import User
from taskmapr.users.services.sign_ins import tokens_issue

MAY_1, MAY_2 = date(2026, 5, 1), date(2026, 5, 2)
RANGE = "from=2026-05-01&to=2026-05-31"


def look(user: User, query: str) -> Any:
    token = tokens_issue(user_id=user.pk).access_token
    return Client().get(f"/usage?{query}", headers={"authorization": f"Bearer {token}"})


def used(user: User, day: date, *, part: str = "", cost: int = 0, **given: Any) -> None:
    given = {"kind": "intent", "subject": "memory.write", "mode": "agent", **given}
    account = Account(day=day, user_id=user.pk, credential="", part=part, **given)
    usage_add([(account, Figures(calls=1, input_tokens=2, cost_usd_micros=cost))])


@pytest.fixture(autouse=True)
def _history(ada: User, cyd: User) -> None:
    for day, cost in ((MAY_1, 5), (MAY_2, 7), (MAY_2, 1)):
        used(ada, day, cost=cost)
        used(ada, day, cost=cost, part="memory.write")
    used(ada, date(2026, 6, 1), cost=1000)
    used(cyd, MAY_1, cost=100, kind="task", subject="approve", mode="")


@pytest.mark.req("IN-38")
@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ("day", [("2026-05-01", 1, 5), ("2026-05-02", 2, 8)]),
        ("tool", [("memory.write", 3, 13)]),
        ("intent", [("memory.write", 3, 13)]),
        ("user", [("ada", 3, 13)]),
    ],
)
def test_users_see_their_own_figures(
    ada: User, group: str, expected: list[tuple[str, int, int]]
) -> None:
    told = look(ada, f"{RANGE}&group_by={group}").json()

    named = [(str(ada.pk) if name == "ada" else name, *rest) for name, *rest in expected]
    assert [(row[group], row["calls"], row["cost_usd_micros"]) for row in told["usage"]] == named
    assert told["total"] == {
        "calls": 3,
        "failed": 0,
        "unpriced": 0,
        "input_tokens": 6,
        "output_tokens": 0,
        "cost_usd_micros": 13,
    }
    assert (told["from"], told["to"], told["is_cut"]) == ("2026-05-01", "2026-05-31", False)


@pytest.mark.req("IN-38")
def test_staff_see_everybody(ada: User, cyd: User) -> None:
    root = User.objects.create_user("root@example.org", "a long password", is_staff=True)

    told = look(root, f"{RANGE}&group_by=user").json()["usage"]
    assert [(row["user"], row["cost_usd_micros"]) for row in told] == [
        (str(cyd.pk), 100),
        (str(ada.pk), 13),
    ]
    intents = look(root, f"{RANGE}&group_by=intent").json()["usage"]
    assert [row["intent"] for row in intents] == ["task.approve", "memory.write"]


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("group_by=colour", "group_by"),
        ("from=May", "from"),
        ("to=2026-02-30", "to"),
        ("from=2026-05-02&to=2026-05-01", "from"),
        ("from=2020-01-01&to=2026-05-01", "from"),
    ],
)
def test_what_cannot_be_asked_is_named(ada: User, query: str, path: str) -> None:
    refused = look(ada, query)
    assert refused.status_code == 422
    assert refused.json()["details"]["fields"][0]["path"] == path


def test_without_a_word_it_is_about_the_last_thirty_days(ada: User) -> None:
    told = look(ada, "").json()
    days = date.fromisoformat(told["to"]) - date.fromisoformat(told["from"])
    assert (days.days, told["group_by"]) == (29, "day")


def test_strangers_are_not_told_anything(db: None) -> None:
    assert Client(REMOTE_ADDR="203.0.113.9").get("/usage").status_code == 401
