"""The pages of the demo site, plain and rendered here."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Final

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from taskmapr.demo.esc.batches import ASKS_AGAIN, BROKEN, SLOW, batch_approve, batches_ensure
from taskmapr.demo.esc.models import Batch, EscSession
from taskmapr.demo.esc.sign_in import (
    for_signed_in,
    is_account,
    login_address,
    session_begin,
    session_end,
)

_PAGE_LENGTH: Final = 8


@require_http_methods(["GET", "HEAD", "POST"])
def login(request: HttpRequest) -> HttpResponse:
    """Signing in leads to where one wanted to go."""
    batches_ensure()
    wanted = request.GET.get("next", "")
    if request.method != "POST":
        return render(request, "demo/esc/login.html", {"is_again": "again" in request.GET})
    if not is_account(request.POST.get("username", ""), request.POST.get("password", "")):
        return render(request, "demo/esc/login.html", {"is_refused": True})
    is_ours = url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    to = wanted if is_ours else reverse("esc-batches")
    return session_begin(
        request, request.POST["username"], to, was_asked_again="again" in request.GET
    )


@require_POST
def logout(request: HttpRequest) -> HttpResponse:
    return session_end(request, login_address())


@require_safe
@for_signed_in
def batches(request: HttpRequest, session: EscSession) -> HttpResponse:
    """All batches in pages, or the one with the number that was searched for."""
    wanted = request.GET.get("q", "").strip()
    rows = Batch.objects.all()
    if wanted:
        rows = rows.filter(number=int(wanted)) if _is_number(wanted) else rows.none()
    page = Paginator(rows, _PAGE_LENGTH).get_page(request.GET.get("page"))
    return render(
        request, "demo/esc/batches.html", {"page": page, "wanted": wanted, "session": session}
    )


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) < 9


async def batch(request: HttpRequest, number: int) -> HttpResponse:
    """One batch. The slow one must not hold up the thread in which other pages are made."""
    if number == SLOW:
        await asyncio.sleep(settings.DEMO_ESC_SLOW_S)
    return await sync_to_async(_batch)(request, number)


@require_safe
@for_signed_in
def _batch(request: HttpRequest, session: EscSession, number: int) -> HttpResponse:
    if number == BROKEN:
        return _broken(request)
    if number == ASKS_AGAIN and not session.was_asked_again:
        return session_end(request, login_address(next=request.path, again="1"))
    row = Batch.objects.filter(number=number).first()
    if row is None:
        return render(
            request, "demo/esc/missing.html", {"session": session}, status=HTTPStatus.NOT_FOUND
        )
    return render(request, "demo/esc/batch.html", {"batch": row, "session": session})


@require_POST
@for_signed_in
def approve(request: HttpRequest, session: EscSession, number: int) -> HttpResponse:
    if number == BROKEN:
        return _broken(request)
    if not batch_approve(number=number):
        return render(
            request, "demo/esc/refused.html", {"session": session}, status=HTTPStatus.CONFLICT
        )
    return HttpResponseRedirect(reverse("esc-batch", args=[number]))


def _broken(request: HttpRequest) -> HttpResponse:
    return render(request, "demo/esc/broken.html", status=HTTPStatus.INTERNAL_SERVER_ERROR)
