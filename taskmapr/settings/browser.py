"""The browser of tasks, the site ESC, and the demo site that plays it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from taskmapr.settings.env import Env

#: Of the demo site, on developers' machines only: name and password.
DEMO_CREDENTIALS = ("demo", "approve-all-batches")


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserSettings:
    headless: bool
    download_path: Path
    #: Of a Selenium server; empty: a browser of this machine.
    remote_url: str
    #: `chrome` (also Chromium) or `firefox`.
    name: str
    #: Chrome's own; it needs user namespaces, which most containers and root do not have.
    sandbox: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EscSettings:
    """Where `esc` is and who signs in there; empty when nobody has said so."""

    base_url: str
    username: str
    password: str = field(repr=False)
    has_demo: bool
    #: Who may sign in on the demo site.
    demo_credentials: tuple[str, str] = field(repr=False)


def browser_of(env: Env, data_dir: Path) -> BrowserSettings:
    given = env.text("DOWNLOAD_PATH")
    return BrowserSettings(
        headless=env.flag("HEADLESS", default=True),
        download_path=Path(given).resolve() if given else data_dir / "downloads",
        remote_url=env.text("SELENIUM_REMOTE_URL").strip().rstrip("/"),
        name=env.choice("TASKMAPR_BROWSER", ("chrome", "firefox"), default="chrome"),
        sandbox=env.flag("TASKMAPR_BROWSER_SANDBOX"),
    )


def esc_of(env: Env, *, public_url: str, is_prod: bool) -> EscSettings:
    """Without an address, `esc` is the demo site, where that is on.

    Its own credentials hold on developers' machines only; elsewhere it takes those of ESC_*.
    """
    has_demo = env.flag("TASKMAPR_DEMO_ESC", default=not is_prod)
    demo_url = f"{public_url}/demo/esc/"
    given_url = env.text("ESC_BASE_URL").strip()
    base_url = given_url or (demo_url if has_demo else "")
    username, password = env.text("ESC_USERNAME"), env.text("ESC_PASSWORD")
    is_demo = base_url.rstrip("/") == demo_url.rstrip("/")
    if not is_prod and (is_demo or not given_url):
        username, password = username or DEMO_CREDENTIALS[0], password or DEMO_CREDENTIALS[1]
    elsewhere = ("", "") if is_prod else DEMO_CREDENTIALS
    return EscSettings(
        base_url=base_url,
        username=username,
        password=password,
        has_demo=has_demo,
        demo_credentials=(username, password) if is_demo else elsewhere,
    )
