"""Sites: where they are, which hosts belong to them, who signs in."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

from django.conf import settings

from orchestration.models import Site
from taskmapr.core.task_types import Permanent, TaskContext
from taskmapr.settings.browser import DEMO_CREDENTIALS

#: The site that the environment can describe (`ESC_*`).
ESC: Final = "esc"


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteAccount:
    """Who signs in. Neither is ever logged, shown or stored."""

    username: str = field(repr=False)
    password: str = field(repr=False)

    def masked(self, text: str) -> str:
        """The text or HTML without the password, should a page have repeated it."""
        in_text = escape(self.password, quote=False)
        in_attribute = self.password.replace("&", "&amp;").replace('"', "&quot;")
        for said in (in_text.replace('"', "&quot;"), in_text, in_attribute, self.password):
            text = text.replace(said, "[redacted]")
        return text


def site_named(name: str) -> Site:
    """An enabled site; `esc` is there without a row. Raises Permanent(`unknown_site`)."""
    site = Site.objects.filter(name=name).first()
    if site is None and name == ESC:
        site = Site(name=ESC)
    if site is None or not site.is_enabled:
        raise Permanent("unknown_site", f"There is no site called {name!r}, or it is disabled.")
    if not base_url_of(site):
        raise Permanent("unknown_site", f"Nobody has said where the site {name!r} is.")
    return site


def site_account(site: Site, ctx: TaskContext) -> SiteAccount:
    """Hidden in what the task says. Raises Permanent(`credentials_missing`)."""
    if site.username_secret and site.password_secret:
        return SiteAccount(
            username=ctx.secret(site.username_secret), password=ctx.secret(site.password_secret)
        )
    esc = settings.ESC
    if site.name == ESC and esc.username and esc.password:
        for given in (esc.username, esc.password):
            # What the demo site tells everybody is a word of its addresses too.
            if given not in DEMO_CREDENTIALS:
                ctx.hide(given)
        return SiteAccount(username=esc.username, password=esc.password)
    raise Permanent("credentials_missing", f"Nobody has said who signs in at {site.name}.")


def base_url_of(site: Site) -> str:
    url: str = site.base_url or (settings.ESC.base_url if site.name == ESC else "")
    return url.rstrip("/") + "/" if url else ""


def hosts_of(site: Site) -> tuple[str, ...]:
    """Hosts that its browser may reach."""
    return (urlsplit(base_url_of(site)).netloc, *site.allowed_hosts)


def page_of(site: Site, path: str, batch_id: str = "") -> str:
    """The address of one of its pages."""
    return urljoin(base_url_of(site), path.replace("{batch_id}", quote(batch_id, safe="")))


def selector_for(template: str, batch_id: str) -> str:
    """A selector with the batch in it, which cannot end the text that it stands in."""
    safe = "".join(c if c.isalnum() or c in "-_" else f"\\{ord(c):x} " for c in batch_id)
    return template.replace("{batch_id}", safe)
