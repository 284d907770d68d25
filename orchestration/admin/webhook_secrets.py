"""Webhook secrets in the admin: made, shown once, rotated."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from orchestration.models import WebhookSecret
from orchestration.services.webhook_secrets import (
    OVERLAP_H,
    webhook_secret_make,
    webhook_secret_reveal,
)
from taskmapr.core.errors import AlreadyResolved, Conflict
from taskmapr.foundation.admin import ProductAdmin, confirmed_action
from taskmapr.foundation.badges import link, status_badge, when

_CHANGE = "orchestration.change_webhooksecret"


@confirmed_action(
    verb="Rotate",
    done="rotated",
    consequence=f"A new secret signs from now on; this one signs as well for {OVERLAP_H} hours.",
    permission=_CHANGE,
)
def rotate(secret: WebhookSecret) -> None:
    if secret.expires_at is not None:
        raise Conflict("It has been replaced already.")
    webhook_secret_make(owner_id=secret.owner_id)


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("present", "present"), ("replaced", "replaced"), ("over", "over")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[WebhookSecret]
    ) -> QuerySet[WebhookSecret]:
        now = timezone.now()
        states = {
            "present": Q(expires_at=None),
            "replaced": Q(expires_at__gt=now),
            "over": Q(expires_at__lte=now),
        }
        wanted = states.get(self.value() or "")
        return queryset if wanted is None else queryset.filter(wanted)


@admin.register(WebhookSecret)
class WebhookSecretAdmin(ProductAdmin):
    list_display = ("signs_for", "state", "made", "was_shown", "ends")
    list_display_links = ("signs_for",)
    list_filter = (StateFilter,)
    list_select_related = ("owner",)
    search_fields = ("owner__email",)
    search_help_text = "An owner's address"
    autocomplete_fields = ("owner",)
    fields = ("owner",)
    actions = (rotate,)
    empty_title = "No webhook secrets yet"
    empty_text = "Callbacks are signed with TASKMAPR_WEBHOOK_SECRET where a user has no own secret."

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookSecret]:
        rows: QuerySet[WebhookSecret] = super().get_queryset(request)
        return rows.defer("secret", "owner__password")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.reveal_view)
        show = path("<int:secret_id>/reveal/", view, name="webhook_secret_reveal")
        return [show, *super().get_urls()]

    def has_delete_permission(self, request: HttpRequest, obj: WebhookSecret | None = None) -> bool:
        return False  # rotated, so that receivers have a day to follow

    def save_model(self, request: HttpRequest, obj: WebhookSecret, form: Any, change: bool) -> None:
        made = webhook_secret_make(owner_id=obj.owner_id)
        obj.pk = made.pk

    def response_add(
        self, request: HttpRequest, obj: WebhookSecret, post_url_continue: str | None = None
    ) -> HttpResponse:
        return redirect("admin:orchestration_webhooksecret_change", obj.pk)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        return self._page(request, self._found(request, unquote(object_id)))

    def reveal_view(self, request: HttpRequest, secret_id: int) -> HttpResponse:
        """The secret, once, as the answer to a POST: nothing of it is kept on the way."""
        if request.method != "POST" or not request.user.has_perm(_CHANGE):
            raise PermissionDenied
        secret = self._found(request, str(secret_id))
        try:
            text = webhook_secret_reveal(secret_id=secret.pk)
        except AlreadyResolved as error:
            messages.error(request, error.detail)
            return redirect("admin:orchestration_webhooksecret_change", secret.pk)
        LogEntry.objects.log_actions(
            cast(UUID, request.user.pk), [secret], CHANGE, change_message="shown"
        )
        return self._page(request, self._found(request, str(secret_id)), text=text)

    def _page(self, request: HttpRequest, secret: WebhookSecret, *, text: str = "") -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "Webhook secret",
            "opts": self.opts,
            "secret": secret,
            "text": text,
            "may_change": request.user.has_perm(_CHANGE),
            "overlap_h": OVERLAP_H,
        }
        return TemplateResponse(request, "orchestration/webhook_secret_page.html", context)

    def _found(self, request: HttpRequest, secret_id: str) -> WebhookSecret:
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = self.get_queryset(request).select_related("owner")
        secret = found.filter(pk=secret_id).first() if secret_id.isdecimal() else None
        if secret is None:
            raise Http404
        return secret

    @admin.display(description="Signs for", ordering="owner__email")
    def signs_for(self, secret: WebhookSecret) -> SafeString | str:
        if secret.owner is None:
            return "everybody without one"
        return secret.owner.email

    @admin.display(description="State")
    def state(self, secret: WebhookSecret) -> SafeString:
        if secret.expires_at is None:
            return status_badge("succeeded", "present")
        is_over = secret.expires_at <= timezone.now()
        return status_badge("cancelled", "over") if is_over else status_badge("queued", "replaced")

    @admin.display(description="Made", ordering="created_at")
    def made(self, secret: WebhookSecret) -> SafeString | str:
        return when(secret.created_at)

    @admin.display(description="Shown", ordering="shown_at")
    def was_shown(self, secret: WebhookSecret) -> SafeString | str:
        if secret.shown_at is not None:
            return when(secret.shown_at)
        page = reverse("admin:orchestration_webhooksecret_change", args=[secret.pk])
        return link(page, "not yet")

    @admin.display(description="Ends", ordering="expires_at")
    def ends(self, secret: WebhookSecret) -> SafeString | str:
        return when(secret.expires_at) if secret.expires_at else "never"
