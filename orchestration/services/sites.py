"""Saving sites."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from django.db import transaction

from agents_cfg.services.secrets import secret_names
from orchestration.models import Site
from orchestration.targets.sites import ESC
from taskmapr.core.errors import InvalidInput

logger = logging.getLogger(__name__)

Problem = tuple[str, str]
_HOST: Final = re.compile(r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?")


@transaction.atomic
def site_save(*, site: Site, by: str) -> Site:
    """Store a site. `by`: who did it, for the log. Raises InvalidInput."""
    site_check(site)
    is_new = site._state.adding
    site.save()
    logger.info("site %s %s by %s", site.name, "added" if is_new else "changed", by)
    return site


def site_check(site: Site) -> None:
    """Raises InvalidInput with every member that cannot be."""
    problems = list(_problems(site))
    if problems:
        raise InvalidInput.of(*problems)


def _problems(site: Site) -> Iterator[Problem]:
    parts = urlsplit(site.base_url)
    if not site.base_url and site.name != ESC:
        yield "base_url", "is needed"
    if site.base_url and (parts.scheme not in ("http", "https") or not parts.hostname):
        yield "base_url", "must begin with http:// or https://"
    if parts.username or parts.password:
        yield "base_url", "must not have a name or a password in it"
    if not _are_texts(site.allowed_hosts) or not all(map(_HOST.fullmatch, site.allowed_hosts)):
        yield "allowed_hosts", "takes names such as sso.example.org, *.example.org or host:8443"
    if "{batch_id}" not in site.batch_link:
        yield "batch_link", "must say {batch_id} where the batch's id stands"
    if bool(site.search_field) != bool(site.search_button):
        yield "search_button", "belongs to the search field: both or neither"
    for member in ("pending_words", "approved_words"):
        if not _are_texts(getattr(site, member)) or not getattr(site, member):
            yield member, "needs at least one word"
    yield from _secret_problems(site)


def _secret_problems(site: Site) -> Iterator[Problem]:
    if bool(site.username_secret) != bool(site.password_secret):
        yield "password_secret", "name and password are needed, or neither"
    known = secret_names()
    for member in ("username_secret", "password_secret"):
        if getattr(site, member) and getattr(site, member) not in known:
            yield member, "there is no such secret"


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and one.strip() for one in value)
