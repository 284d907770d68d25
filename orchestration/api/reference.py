"""The API for people who write clients: the document, and two pages that show it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from orchestration.api.document import document


async def openapi_json(request: HttpRequest) -> HttpResponse:
    """For client generators and other programs."""
    return HttpResponse(document(), content_type="application/json")


def docs_page(request: HttpRequest) -> HttpResponse:
    """Swagger UI: read and try."""
    return render(request, "orchestration/docs.html")


def redoc_page(request: HttpRequest) -> HttpResponse:
    """Redoc: read."""
    return render(request, "orchestration/redoc.html")
