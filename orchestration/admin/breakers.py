"""Circuit breakers in the admin: how they are, closing one, numbers of single services."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from redis.exceptions import RedisError

from orchestration.models import CircuitSetting
from orchestration.selectors.circuits import circuit_limits
from taskmapr.foundation.admin import ProductAdmin
from taskmapr.foundation.http.breaker_settings import DEFAULT, limits_forget
from taskmapr.foundation.http.breaker_states import Circuit, circuit_reset, circuits_now

_COLOURS = {"closed": "ok", "half_open": "waiting", "open": "failed"}


@admin.register(CircuitSetting)
class CircuitSettingAdmin(ProductAdmin):
    list_display = ("service", "failures", "window_s", "open_s", "successes")
    search_fields = ("service",)
    fields = ("service", "failures", "window_s", "open_s", "successes")
    empty_title = "Every circuit has the usual numbers"
    empty_text = "Five failures in a minute open it, after half a minute one call tries again."

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.circuits)
        own = [path("now/", page, name="circuits")]
        return [*own, *super().get_urls()]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        limits_forget()

    def circuits(self, request: HttpRequest) -> HttpResponse:
        """GET: the services that failed in the last day. POST {service}: close its circuit."""
        if request.method == "POST":
            return self._reset(request)
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            found, is_away = circuits_now(), False
        except RedisError:
            found, is_away = [], True
        limits = circuit_limits()
        context = {
            **self.admin_site.each_context(request),
            "title": "Circuit breakers",
            "opts": self.opts,
            "circuits": [_shown(one, limits) for one in found],
            "is_away": is_away,
            "usual": DEFAULT,
            "own": CircuitSetting.objects.all(),
            "may_change": self.has_change_permission(request),
        }
        return TemplateResponse(request, "admin/circuits.html", context)

    def _reset(self, request: HttpRequest) -> HttpResponse:
        if not self.has_change_permission(request):
            raise PermissionDenied
        service = request.POST.get("service", "")[:300]
        try:
            circuit_reset(service)
        except RedisError:
            messages.error(request, "Redis is away: nothing was changed.")
        else:
            _log(request, service)
            messages.success(request, f"{service} is closed; calls go through.")
        return redirect(reverse("admin:circuits"))


def _shown(circuit: Circuit, limits: Any) -> dict[str, Any]:
    query = urlencode({"service": circuit.service})
    return {
        "row": circuit,
        "colour": _COLOURS[circuit.state],
        "word": circuit.state.replace("_", "-"),
        "can_reset": circuit.state != "closed" or circuit.failures > 0,
        "reset": "Close it" if circuit.state != "closed" else "Forget failures",
        "limits": limits.get(circuit.service, DEFAULT),
        "add": f"{reverse('admin:orchestration_circuitsetting_add')}?{query}",
    }


def _log(request: HttpRequest, service: str) -> None:
    """The audit log knows of it, though a circuit is no row."""
    shown = CircuitSetting.objects.filter(service=service).first()
    LogEntry.objects.log_actions(
        cast("UUID", request.user.pk),
        [shown or CircuitSetting(service=service)],
        CHANGE,
        change_message=f"circuit of {service} closed",
    )
