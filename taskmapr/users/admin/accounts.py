"""Accounts in the admin. Keys and tokens never appear; whatever changes goes through services."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from taskmapr.foundation.admin import ProductAdmin, ReadOnlyAdmin, confirmed_action
from taskmapr.users.models import DataKey, ExternalIdentity, RefreshToken, User
from taskmapr.users.selectors import users_with_sign_ins
from taskmapr.users.services.accounts import user_activate, user_deactivate, user_delete
from taskmapr.users.services.data_keys import data_key_rotate
from taskmapr.users.services.sign_ins import sign_ins_revoke

admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(ProductAdmin):
    list_display = ("name",)
    search_fields = ("name",)
    filter_horizontal = ("permissions",)


@confirmed_action(
    verb="Deactivate",
    done="deactivated",
    consequence="They can no longer sign in, and tokens still running are refused at once.",
    permission="users.change_user",
)
def deactivate(user: User) -> None:
    user_deactivate(user_id=user.pk)


@confirmed_action(
    verb="Activate",
    done="activated",
    consequence="They can sign in again with their old password.",
    permission="users.change_user",
)
def activate(user: User) -> None:
    user_activate(user_id=user.pk)


@confirmed_action(
    verb="Revoke sign-ins",
    done="sign-ins revoked",
    consequence="They have to sign in again within a quarter of an hour, on every device.",
    permission="users.change_user",
)
def revoke_sign_ins(user: User) -> None:
    sign_ins_revoke(user_id=user.pk)


@confirmed_action(
    verb="Rotate data key",
    done="data key rotated",
    consequence="What is stored from now on is sealed with a new key; the old one still reads.",
    permission="users.change_datakey",
)
def rotate_data_key(user: User) -> None:
    data_key_rotate(user_id=user.pk)


@confirmed_action(
    verb="Delete account",
    done="deletion begun",
    consequence="Their content becomes unreadable at once and for ever; the rows follow.",
    permission="users.delete_user",
)
def delete_account(user: User) -> None:
    user_delete(user_id=user.pk)


@admin.register(User)
class UserAdmin(ProductAdmin):
    list_display = ("email", "tier", "is_active", "is_staff", "sign_ins", "created_at")
    list_filter = ("tier", "is_active", "is_staff")
    search_fields = ("email", "id")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    actions = (deactivate, activate, revoke_sign_ins, rotate_data_key, delete_account)
    filter_horizontal = ("groups", "user_permissions")
    readonly_fields = (
        "id",
        "email",
        "work",
        "is_active",
        "stripe_customer_id",
        "last_login",
        "erasure_requested_at",
        "created_at",
        "updated_at",
    )
    fieldsets = (
        (None, {"fields": ("id", "email", "work", "tier", "stripe_customer_id", "is_active")}),
        ("Operator", {"fields": ("is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Times", {"fields": ("created_at", "updated_at", "last_login", "erasure_requested_at")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return users_with_sign_ins().defer("password")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Only a superuser hands out powers; nobody else could raise themselves to one."""
        powers = ("is_staff", "is_superuser", "groups", "user_permissions")
        return (*self.readonly_fields, *(() if request.user.is_superuser else powers))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # accounts are opened by registering, or by `manage.py createsuperuser`

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False  # the action does it, in the right order

    @admin.display(description="Their work")
    def work(self, user: User) -> SafeString | str:
        """Lists of other apps, by name: this one knows nothing of what is in them."""
        lists = (
            ("Runs", "orchestration_run", f"owner__id__exact={user.pk}"),
            ("Sessions", "orchestration_session", f"q={user.pk}"),
            ("Memory", "memory_memoryitem", f"q={quote(user.email)}"),
        )
        links = (
            (reverse(f"admin:{name}_changelist"), asked, title) for title, name, asked in lists
        )
        return format_html_join(", ", '<a class="tm-link" href="{}?{}">{}</a>', links)

    @admin.display(description="sign-ins", ordering="sign_ins")
    def sign_ins(self, user: User) -> int:
        return int(user.sign_ins)  # type: ignore[attr-defined]


@admin.register(RefreshToken)
class RefreshTokenAdmin(ReadOnlyAdmin):
    list_display = ("id", "user", "family", "created_at", "expires_at", "used_at", "revoked_at")
    list_select_related = ("user",)
    search_fields = ("user__email", "family")
    date_hierarchy = "created_at"
    exclude = ("token_hash", "password_mark")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("token_hash", "password_mark")


@admin.register(DataKey)
class DataKeyAdmin(ReadOnlyAdmin):
    list_display = ("user", "master", "created_at", "rotated_at", "destroyed_at")
    list_select_related = ("user",)
    list_filter = ("master",)
    search_fields = ("user__email",)
    exclude = ("wrapped", "retired")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("wrapped", "retired")


@admin.register(ExternalIdentity)
class ExternalIdentityAdmin(ReadOnlyAdmin):
    list_display = ("user", "issuer", "subject", "created_at")
    list_select_related = ("user",)
    search_fields = ("user__email", "subject", "issuer")
