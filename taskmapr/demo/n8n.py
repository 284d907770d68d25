"""A workflow engine that does nothing, for trying flows without one: `/demo/n8n/<path>`.

Set N8N_WEBHOOK_BASE to `http://localhost:8000/demo/n8n`. In development and tests only.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import orjson
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

#: Longest pause in seconds.
_LONGEST_S: Final = 600.0


@csrf_exempt
async def stub_workflow(request: HttpRequest, place: str) -> HttpResponse:
    """Answers with what it was sent.

    Options, in the address or as members of `inputs`: `delay` (seconds until the answer), `status`
    (of the answer), `text` (instead of JSON), `accepted` (it takes the work, and answers never).
    """
    if settings.ENV == "prod":
        raise Http404
    sent = _sent(request)
    given = sent.get("inputs")
    options = {**(given if isinstance(given, dict) else {}), **request.GET.dict()}
    await asyncio.sleep(min(max(_number(options.get("delay")), 0.0), _LONGEST_S))
    status = int(_number(options.get("status")) or 200)
    status = status if 200 <= status <= 599 else 200
    if text := options.get("text"):
        return HttpResponse(str(text), status=status, content_type="text/plain; charset=utf-8")
    if options.get("accepted"):
        return JsonResponse({"accepted": True}, status=status)
    said = {name: sent.get(name) for name in ("intent", "inputs", "job_id", "user_id")}
    return JsonResponse({"workflow": place, **said}, status=status)


def _sent(request: HttpRequest) -> dict[str, Any]:
    try:
        sent = orjson.loads(request.body or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return sent if isinstance(sent, dict) else {}


def _number(given: Any) -> float:
    try:
        return float(given)
    except (TypeError, ValueError):
        return 0.0
