"""The secret store in the admin. Values go in and never come out."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from agents_cfg.admin.forms import CheckedForm
from agents_cfg.models import Secret
from agents_cfg.services.secrets import secret_check, secret_save
from taskmapr.foundation.admin import ProductAdmin
from taskmapr.foundation.badges import two_lines, when
from taskmapr.foundation.figures import NONE


class SecretForm(CheckedForm):
    check_instance = staticmethod(secret_check)


@admin.register(Secret)
class SecretAdmin(ProductAdmin):
    form = SecretForm
    list_display = ("what", "used", "changed")
    list_display_links = ("what",)
    search_fields = ("name", "description")
    readonly_fields = ("used", "changed")
    fields = ("name", "value", "description", "used", "changed")
    empty_title = "No secrets yet"
    empty_text = "Keep a password or a token here; sites, hosts and task types refer to its name."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Secret]:
        secrets: QuerySet[Secret] = super().get_queryset(request)
        # A list has no business with values.
        match = request.resolver_match
        is_list = match is not None and (match.url_name or "").endswith("_changelist")
        return secrets.defer("value") if is_list else secrets

    def get_readonly_fields(
        self, request: HttpRequest, obj: Secret | None = None
    ) -> tuple[str, ...]:
        """Others refer to it by its name."""
        return self.readonly_fields if obj is None else ("name", *self.readonly_fields)

    def save_model(self, request: HttpRequest, obj: Secret, form: Any, change: bool) -> None:
        secret_save(secret=obj, by=request.user.get_username())

    @admin.display(description="Secret", ordering="name")
    def what(self, secret: Secret) -> SafeString:
        return two_lines(secret.name, secret.description or NONE, is_wide=True)

    @admin.display(description="Last used", ordering="last_used_at")
    def used(self, secret: Secret) -> SafeString | str:
        return when(secret.last_used_at)

    @admin.display(description="Changed", ordering="updated_at")
    def changed(self, secret: Secret) -> SafeString | str:
        return when(secret.updated_at)
