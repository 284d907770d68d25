"""A /health that is as well as the request says."""

from django.http import HttpRequest, HttpResponse
from django.urls import path


def health(request: HttpRequest) -> HttpResponse:
    return HttpResponse("{}", status=int(request.headers["X-Wanted-Status"]))


urlpatterns = [path("health", health)]
