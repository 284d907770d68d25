"""/admin/billing/… and prices: quotas with what is used of them, the ledger, what tools cost."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from agents_cfg.models import Tool
from billing.models import Quota, QuotaUse
from billing.services.usage import Account, Figures, usage_add
from taskmapr.users.models import User

QUOTAS, USAGE = "/admin/billing/quota/", "/admin/billing/usage/"
PRICES = "/admin/agents_cfg/toolprice/"


@pytest.fixture
def root(client: Client, db: None) -> Client:
    user = User.objects.create_user("root@example.org", "a long password", is_staff=True)
    user.is_superuser = True
    user.save()
    client.force_login(user)
    return client


@pytest.mark.req("IN-47")
def test_a_quota_is_made_and_shows_what_is_used(root: Client, ada: User) -> None:
    form = {"scope": "user", "pattern": "memory.*", "period": "day", "is_enabled": "on"}
    refused = root.post(f"{QUOTAS}add/", form)
    assert refused.status_code == 200
    assert not Quota.objects.exists()

    assert root.post(f"{QUOTAS}add/", {**form, "max_calls": "8"}).status_code == 302
    quota = Quota.objects.get()
    today = datetime.now(UTC).date()
    for principal, calls in ((str(ada.pk), 6), ("another", 1)):
        QuotaUse.objects.create(quota=quota, principal=principal, starts_on=today, calls=calls)

    shown = root.get(QUOTAS).content.decode()
    assert "6 of 8 calls, the most of 2" in shown
    assert 'value="0.75"' in shown


@pytest.mark.req("IN-47")
def test_help_has_no_part_that_the_browser_takes_for_a_tag(root: Client) -> None:
    texts = [str(field.help_text) for field in Quota._meta.fields]
    assert [text for text in texts if "<" in text] == []


@pytest.mark.req("IN-47")
def test_the_ledger_is_a_chart_and_a_list(root: Client, ada: User) -> None:
    account = Account(
        day=datetime.now(UTC).date(),
        user_id=ada.pk,
        credential="",
        kind="intent",
        subject="memory.write",
        mode="agent",
    )
    usage_add([(account, Figures(calls=3, failed=1, cost_usd_micros=2_500_000))])

    shown = root.get(USAGE).content.decode()

    assert "Runs a day" in shown
    assert "memory.write" in shown
    assert shown.count("$ 2.5000") >= 2
    assert "memory.write" not in root.get(f"{USAGE}?counted=parts").content.decode()


@pytest.mark.req("IN-38", "IN-47")
def test_prices_are_filled_in_where_they_are_listed(root: Client) -> None:
    tool = Tool.objects.create(name="shop.find", is_enabled=True)
    form = {
        "form-TOTAL_FORMS": "1",
        "form-INITIAL_FORMS": "1",
        "form-0-id": str(tool.pk),
        "form-0-cost_usd_micros": "500",
        "form-0-cost_usd_micros_per_s": "7",
        "_save": "Save",
    }
    assert root.post(PRICES, form).status_code == 302

    tool.refresh_from_db()
    assert (tool.cost_usd_micros, tool.cost_usd_micros_per_s) == (500, 7)


@pytest.mark.req("OV-73")
def test_lists_ask_the_same_however_long_they_are(
    root: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for n in range(30):
        quota = Quota.objects.create(max_calls=n + 1, pattern=f"t{n}")
        QuotaUse.objects.create(quota=quota, starts_on=datetime.now(UTC).date(), calls=1)
    for page in (QUOTAS, USAGE, PRICES):
        with django_assert_max_num_queries(12):
            root.get(page)
