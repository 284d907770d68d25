"""Sites in the admin: how their pages are read, and a way to try it."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminSelectWidget

from agents_cfg.admin.forms import CheckedForm
from agents_cfg.admin.lines import LinesField
from agents_cfg.services.secrets import secret_names
from orchestration.models import Site
from orchestration.services.site_checks import site_check_begin
from orchestration.services.sites import site_check, site_save
from orchestration.targets.sites import base_url_of
from taskmapr.core.errors import QueueUnavailable
from taskmapr.foundation.admin import ProductAdmin
from taskmapr.foundation.badges import link, two_lines, when
from taskmapr.foundation.figures import NONE

_NO_SECRET = ("", "none")
#: Who says these says where secrets are sent: to which host, and into which field of a page.
_LEADS_SECRETS = (
    "name",
    "base_url",
    "allowed_hosts",
    "username_secret",
    "password_secret",
    "login_path",
    "username_field",
    "password_field",
    "login_button",
)
_MAY_LEAD = "agents_cfg.change_secret"


class SiteForm(CheckedForm):
    check_instance = staticmethod(site_check)
    words = {
        "is_enabled": "Enabled",
        "base_url": "Address",
        "username_secret": "Secret with the name",
        "password_secret": "Secret with the password",
        "logged_in": "Shown when signed in",
        "login_error": "Shown when refused",
        "batch_link": "Link to a batch",
        "nothing_found": "Shown when nothing was found",
        "state_field": "State of a batch",
        "wait_s": "Seconds to wait for an element",
        "page_load_s": "Seconds for a page",
        "browsers": "Browsers at once per account",
        "require_confirmation": "A person has to confirm each task that approves",
    }
    allowed_hosts = LinesField(rows=2, help_text="Beside that of the address.")
    pending_words = LinesField(rows=2, help_text="States in which a batch can be approved.")
    approved_words = LinesField(rows=2, help_text="States that mean approved.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("username_secret", "password_secret"):
            if name in self.fields:
                self.fields[name] = self._secret_field(name)

    def _secret_field(self, name: str) -> forms.ChoiceField:
        chosen = getattr(self.instance, name)
        known = [_NO_SECRET, *((one, one) for one in sorted({*secret_names(), chosen} - {""}))]
        return forms.ChoiceField(
            choices=known,
            required=False,
            label=self.words[name],
            widget=UnfoldAdminSelectWidget,
            help_text="Of the secret store. None for esc: as ESC_USERNAME and ESC_PASSWORD say.",
        )


@admin.register(Site)
class SiteAdmin(ProductAdmin):
    form = SiteForm
    list_display = ("what", "is_enabled", "signs_in", "browsers", "changed")
    list_display_links = ("what",)
    list_filter = ("is_enabled",)
    search_fields = ("name", "base_url")
    actions = ("check_now",)
    empty_title = "No sites yet"
    empty_text = "The site esc is there without a row, as the environment describes it."
    fieldsets = (
        (None, {"fields": ("name", "is_enabled", "base_url", "allowed_hosts")}),
        ("Who signs in", {"fields": ("username_secret", "password_secret", "browsers")}),
        (
            "Signing in",
            {
                "fields": (
                    "login_path",
                    "username_field",
                    "password_field",
                    "login_button",
                    "logged_in",
                    "login_error",
                ),
                "description": "Paths are below the address; everything else is a CSS selector.",
            },
        ),
        (
            "Finding a batch",
            {
                "fields": (
                    "list_path",
                    "search_field",
                    "search_button",
                    "batch_link",
                    "nothing_found",
                ),
                "description": (
                    "{batch_id} stands for the batch. Without a search field, the path of the list"
                    " can name it: batches?q={batch_id}"
                ),
            },
        ),
        (
            "Approving it",
            {
                "fields": (
                    "require_confirmation",
                    "state_field",
                    "pending_words",
                    "approved_words",
                    "approve_button",
                    "confirm_button",
                ),
                "description": (
                    "Without a confirm button, the browser's own dialog is accepted. A task that"
                    " has to be confirmed waits for up to an hour; the button is on its page."
                ),
            },
        ),
        ("Waiting", {"classes": ("collapse",), "fields": ("wait_s", "page_load_s")}),
    )

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return super().has_add_permission(request, *args) and request.user.has_perm(_MAY_LEAD)

    def get_readonly_fields(self, request: HttpRequest, obj: Site | None = None) -> Any:
        """Who may describe a site, but not change secrets, must not have them sent elsewhere."""
        fixed = super().get_readonly_fields(request, obj)
        return fixed if request.user.has_perm(_MAY_LEAD) else (*fixed, *_LEADS_SECRETS)

    def save_model(self, request: HttpRequest, obj: Site, form: Any, change: bool) -> None:
        site_save(site=obj, by=request.user.get_username())

    @admin.action(description="Check", permissions=["change"])
    def check_now(self, request: HttpRequest, queryset: QuerySet[Site]) -> None:
        """Tasks of the operator's own sign in and open the lists; their runs tell the rest."""
        for site in queryset:
            try:
                run_id = site_check_begin(site=site, owner_id=cast(UUID, request.user.pk))
            except QueueUnavailable:
                self.message_user(request, "Nobody could be asked: Redis is away.", messages.ERROR)
                return
            run = link(reverse("admin:orchestration_run_change", args=[run_id]), "Follow it")
            told = format_html("{}: a worker signs in and changes nothing. {}", site.name, run)
            self.message_user(request, told)

    @admin.display(description="Site", ordering="name")
    def what(self, site: Site) -> SafeString:
        return two_lines(site.name, base_url_of(site) or NONE, is_wide=True)

    @admin.display(description="Signs in with")
    def signs_in(self, site: Site) -> str:
        return site.username_secret or "the environment"

    @admin.display(description="Changed", ordering="updated_at")
    def changed(self, site: Site) -> SafeString | str:
        return when(site.updated_at)
