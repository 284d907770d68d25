"""`approve_batches`: look at batches on a site, in a browser, and approve them if asked to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from orchestration.models import Site
from orchestration.services.batch_leases import site_place_release, site_place_take
from orchestration.targets.batch_evidence import Evidence
from orchestration.targets.batch_pages import BatchPages
from orchestration.targets.batch_work import KINDS, BatchWork, Wishes
from orchestration.targets.sites import ESC, SiteAccount, hosts_of, site_account, site_named
from taskmapr.core import wired
from taskmapr.core.browser import Browser, BrowserFault, BrowserRequest
from taskmapr.core.task_types import Permanent, TaskContext, task
from taskmapr.foundation.telemetry.metrics import batches_counted

_WAIT_S: Final = 0.5
_PLACE_MORE: Final = timedelta(seconds=60)
_SITE: Final = {
    "type": "string",
    "minLength": 1,
    "maxLength": 40,
    "default": ESC,
    "description": "Name of a site that operators described.",
}
_SCHEMA: Final = {
    "type": "object",
    "properties": {
        "batch_ids": {
            "type": "array",
            "minItems": 1,
            "maxItems": 200,
            "uniqueItems": True,
            "items": {
                "anyOf": [
                    {"type": "integer", "minimum": 0, "maximum": 2**53},
                    {"type": "string", "pattern": r"^(?![\s\S]*[\x00-\x1f\x7f])\S[\s\S]{0,99}$"},
                ]
            },
            "description": "Which batches, in the order in which they are handled.",
        },
        "auto_approve": {
            "type": "boolean",
            "default": False,
            "description": "Approve them. Otherwise they are looked at and nothing is changed.",
        },
        "site": _SITE,
        "stop_on_error": {
            "type": "boolean",
            "default": False,
            "description": "Leave the rest alone after the first batch that failed.",
        },
        "screenshots": {
            "enum": ["all", "errors", "none"],
            "default": "all",
            "description": "Of what pictures are kept.",
        },
    },
    "required": ["batch_ids"],
    "additionalProperties": False,
}


def _count(result: dict[str, Any]) -> None:
    for kind in KINDS:
        if count := result[kind]:
            batches_counted(site=result["site"], outcome=kind, count=count)


@task(
    "approve_batches",
    _SCHEMA,
    title="Approve batches",
    description=(
        "Signs in on a site, looks at each batch and, if asked to, approves it. Says what became of"
        " each one. Never tried again once an approval has begun."
    ),
    example={"batch_ids": [1, 2, 3], "auto_approve": True},
    queue="browser",
    danger="dangerous",
    timeout_s=1800.0,
    is_idempotent=False,
    on_result=_count,
)
def approve_batches(params: dict[str, Any], ctx: TaskContext) -> dict[str, Any]:
    site = site_named(params["site"])
    account = site_account(site, ctx)
    wishes = Wishes(
        batch_ids=params["batch_ids"],
        auto_approve=params["auto_approve"],
        stop_on_error=params["stop_on_error"],
        screenshots=params["screenshots"],
    )
    work = BatchWork(site, wishes, ctx, Evidence(ctx, account, wishes.screenshots))
    if not work.is_confirmed():
        return work.result()
    with _browser(site, account, ctx) as browser:
        return work.perform(BatchPages(site, account, browser))


@task(
    "check_site",
    {"type": "object", "properties": {"site": _SITE}, "additionalProperties": False},
    title="Check a site",
    description="Signs in on a site and opens its list of batches. Changes nothing.",
    example={"site": ESC},
    queue="browser",
    timeout_s=300.0,
    max_retries=0,
)
def check_site(params: dict[str, Any], ctx: TaskContext) -> dict[str, Any]:
    site = site_named(params["site"])
    account = site_account(site, ctx)
    evidence = Evidence(ctx, account, "all")
    with _browser(site, account, ctx) as browser:
        pages = BatchPages(site, account, browser)
        try:
            pages.sign_in()
            evidence.step(browser, "login")
            pages.open_list()
        except BrowserFault as fault:
            evidence.fault(browser, "check")
            raise Permanent(fault.code, str(fault)) from None
        evidence.step(browser, "list")
    return {"site": site.name, "signed_in": True, "list_opened": True}


@contextmanager
def _browser(site: Site, account: SiteAccount, ctx: TaskContext) -> Iterator[Browser]:
    """A browser for this site, once the site has a place for another one of this account."""
    request = BrowserRequest(
        task_id=ctx.task_id,
        allowed_hosts=hosts_of(site),
        page_load_s=site.page_load_s,
        while_waiting=ctx.check_cancelled,
    )
    with _place(site, account, ctx):
        try:
            with wired.ports().browser(request) as browser:
                yield browser
        except BrowserFault as fault:
            raise Permanent(fault.code, str(fault)) from None


@contextmanager
def _place(site: Site, account: SiteAccount, ctx: TaskContext) -> Iterator[None]:
    run_id, is_told = UUID(ctx.task_id), False
    while True:
        key = site_place_take(
            site=site.name,
            account=account.username,
            run_id=run_id,
            until=ctx.deadline + _PLACE_MORE,
            places=site.browsers,
        )
        if key is not None:
            break
        if not is_told:
            ctx.progress(0, f"waiting for another task at {site.name}")
            is_told = True
        ctx.check_cancelled()
        time.sleep(_WAIT_S)
    try:
        yield
    finally:
        site_place_release(key, run_id)
