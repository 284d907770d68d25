"""Bases of the admin's pages: what operators may read, and actions that ask first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.forms import ModelForm, Script
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminPasswordWidget

from taskmapr.core.errors import TaskMaprError
from taskmapr.foundation.fields import EncryptedTextField, SecretInput

ActionResult = HttpResponse | None


class UnfoldSecretInput(SecretInput):
    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        typed = UnfoldAdminPasswordWidget(
            attrs={"autocomplete": "new-password"}, render_value=False
        )
        self.widgets = [typed, *self.widgets[1:]]


class RowForm(ModelForm):  # type: ignore[type-arg]
    """A line of a list whose fields can be edited there: each says what it is of."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["aria-label"] = f"{field.label}: {self.instance}"


class ProductAdmin(ModelAdmin):  # type: ignore[misc]
    """A page that operators work with: no bulk deletion, bounded lists, secrets write-only."""

    list_per_page = 50
    show_full_result_count = False
    list_filter_submit = True
    warn_unsaved_form = True

    class Media:
        js = (Script("taskmapr/parts.js", type="module"),)

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> Any:
        return super().get_changelist_form(request, **{"form": RowForm, **kwargs})

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if isinstance(db_field, EncryptedTextField):
            field.widget = UnfoldSecretInput()
        return field


class ReadOnlyAdmin(ProductAdmin):
    """A page for tables that only the product itself writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def confirmed_action(
    *, verb: str, done: str, consequence: str, permission: str, tells_actor: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., ActionResult]]:
    """Make a service that takes one object an admin action that asks before it acts.

    tells_actor: the service also takes the name of the operator as its second argument.

    verb: on the button ("Deactivate"); done: past participle for the report ("deactivated").
    consequence: one sentence that the question shows. permission: codename with its app, such as
    `users.change_user`. Each object is done by itself and leaves an entry in the admin's log; a
    TaskMaprError is reported, and the others go on.
    """

    def decorate(call: Callable[..., Any]) -> Callable[..., ActionResult]:
        @wraps(call)
        def action(
            admin: ModelAdmin, request: HttpRequest, queryset: QuerySet[Any]
        ) -> ActionResult:
            if not request.user.has_perm(permission):
                raise PermissionDenied
            if "confirmed" not in request.POST:
                question = {"verb": verb, "consequence": consequence, "action": call.__name__}
                return _question(admin, request, queryset, question)
            actor = (request.user.get_username(),) if tells_actor else ()
            _act(admin, request, queryset, lambda thing: call(thing, *actor), done)
            return None

        action.short_description = f"{verb}…"  # type: ignore[attr-defined]
        return action

    return decorate


def _question(
    admin: ModelAdmin, request: HttpRequest, queryset: QuerySet[Any], question: Mapping[str, str]
) -> HttpResponse:
    context = {
        **admin.admin_site.each_context(request),
        **question,
        "title": f"{question['verb']}?",
        "objects": queryset,
        "checkbox": ACTION_CHECKBOX_NAME,
        "opts": admin.model._meta,
    }
    return TemplateResponse(request, "foundation/admin_confirm.html", context)


def _act(
    admin: ModelAdmin,
    request: HttpRequest,
    queryset: QuerySet[Any],
    call: Callable[[Any], Any],
    done: str,
) -> None:
    for thing in queryset:
        try:
            call(thing)
        except TaskMaprError as error:
            admin.message_user(request, f"{thing}: {error.detail}", messages.ERROR)
        else:
            LogEntry.objects.log_actions(
                cast(UUID, request.user.pk), [thing], CHANGE, change_message=done
            )
            admin.message_user(request, f"{thing}: {done}.", messages.SUCCESS)
