"""How a site's batches are looked at and approved: steps on its pages, one method each."""

from __future__ import annotations

from typing import Literal

from orchestration.models import Site
from orchestration.targets.sites import SiteAccount, page_of, selector_for
from taskmapr.core.browser import Browser, BrowserFault, ElementTimeout

#: What the page of a batch says of it.
BatchStanding = Literal["pending", "approved", "other"]

#: Seconds for a dialog of the browser's own to open.
_DIALOG_S = 2.0


class LoginFailed(BrowserFault):
    """The site refuses the credentials. Not to be tried again: accounts are locked for less."""

    code = "login_failed"


class SessionLost(BrowserFault):
    """The site asks to sign in where a page of a batch should be."""

    code = "session_lost"


class BatchPages:
    """A site in a browser. Every method may raise BrowserFault."""

    def __init__(self, site: Site, account: SiteAccount, browser: Browser) -> None:
        self.browser = browser
        self._site, self._account = site, account

    def sign_in(self) -> None:
        """Signed in, from wherever the browser is: a sign-in page that is already there is used,
        for it may know where one wanted to go. Raises LoginFailed."""
        site = self._site
        if not self.browser.shows(site.password_field):
            self.browser.open(page_of(site, site.login_path))
            self.browser.wait_for(site.username_field, timeout_s=site.wait_s)
        self.browser.fill(site.username_field, self._account.username)
        self.browser.fill(site.password_field, self._account.password, is_secret=True)
        self.browser.click(site.login_button)
        try:
            found = self.browser.wait_for(site.logged_in, site.login_error, timeout_s=site.wait_s)
        except ElementTimeout:
            if not self.browser.shows(site.password_field):
                raise
            raise LoginFailed(f"{site.name} still asks to sign in.") from None
        if found != site.logged_in:
            raise LoginFailed(f"{site.name} refused the credentials.")

    def open_list(self, batch_id: str = "") -> None:
        """The list of batches is shown. Raises SessionLost."""
        site = self._site
        self.browser.open(page_of(site, site.list_path, batch_id))
        if site.search_field:
            self._wait_for(site.search_field)

    def find(self, batch_id: str) -> bool:
        """Whether the list has this batch. Raises SessionLost."""
        site = self._site
        self.open_list(batch_id)
        if site.search_field:
            self.browser.fill(site.search_field, batch_id)
            self.browser.click(site.search_button)
        link = self._link(batch_id)
        return self._wait_for(link, site.nothing_found) == link

    def open_batch(self, batch_id: str) -> BatchStanding:
        """The page of a batch that was found is shown. Raises SessionLost."""
        self.browser.click(self._link(batch_id))
        self._wait_for(self._site.state_field)
        return self.standing()

    def standing(self) -> BatchStanding:
        word = self.state_word().casefold()
        if word in map(str.casefold, self._site.approved_words):
            return "approved"
        return "pending" if word in map(str.casefold, self._site.pending_words) else "other"

    def state_word(self) -> str:
        """The state as the page says it."""
        return self._account.masked(self.browser.text(self._site.state_field))[:100]

    def press_approve(self) -> None:
        """The first of the two steps: nothing has changed yet if this raises."""
        self.browser.click(self._site.approve_button)
        if self._site.confirm_button:
            self._wait_for(self._site.confirm_button)

    def confirm(self) -> None:
        """From here on the batch may be approved, whatever this raises."""
        if self._site.confirm_button:
            self.browser.click(self._site.confirm_button)
        else:
            self.browser.accept_dialog(timeout_s=_DIALOG_S)

    def wait_for_approval(self) -> bool:
        """Whether the page says in time that the batch is approved. Raises SessionLost."""

        def is_settled() -> bool:
            return self.standing() == "approved" or self.is_signed_out

        self.browser.wait_until(is_settled, timeout_s=self._site.wait_s)
        if self.is_signed_out:
            raise SessionLost(f"{self._site.name} asks to sign in again.")
        return self.standing() == "approved"

    @property
    def is_signed_out(self) -> bool:
        return self.browser.shows(self._site.password_field)

    def _link(self, batch_id: str) -> str:
        return selector_for(self._site.batch_link, batch_id)

    def _wait_for(self, *selectors: str) -> str:
        asks_again = self._site.password_field
        found = self.browser.wait_for(*selectors, asks_again, timeout_s=self._site.wait_s)
        if found == asks_again:
            raise SessionLost(f"{self._site.name} asks to sign in again.")
        return found
