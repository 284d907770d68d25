"""Pages for people about errors: what a code means, and what went wrong here.

`taskmapr.urls` names the last four as `handler400` to `handler500`.
"""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from taskmapr.core.errors import TaskMaprError, error_class, error_classes
from taskmapr.foundation.paths import is_api_path
from taskmapr.foundation.problems import problem_of_status, problem_response, request_id_of


def problem_page(request: HttpRequest, code: str) -> HttpResponse:
    if (problem := error_class(code)) is None:
        raise Http404
    return render(request, "foundation/problem.html", {"problem": problem})


def problem_list_page(request: HttpRequest) -> HttpResponse:
    by_code = {problem.code: problem for problem in error_classes()}
    problems = sorted(by_code.values(), key=lambda problem: (problem.status, problem.code))
    return render(request, "foundation/problem_list.html", {"problems": problems})


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _error(request, 400)


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _error(request, 403)


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _error(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    return _error(request, 500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's CSRF_FAILURE_VIEW; the reason is in the log."""
    return _error(request, 403)


def _error(request: HttpRequest, status: int) -> HttpResponse:
    problem: TaskMaprError = problem_of_status(status)
    if is_api_path(request.path):
        return problem_response(problem, request)
    context: dict[str, Any] = {"problem": problem, "request_id": request_id_of(request)}
    return render(request, "foundation/error.html", context, status=status)
