"""Views that fail in every way a view can, for the tests of the error answers."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import include, path
from django.views.decorators.http import require_GET
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from taskmapr.core.errors import error_class
from taskmapr.foundation.api import StreamingAPIView
from taskmapr.foundation.problems import problem_response

handler400 = "taskmapr.foundation.pages.bad_request"
handler403 = "taskmapr.foundation.pages.permission_denied"
handler404 = "taskmapr.foundation.pages.page_not_found"
handler500 = "taskmapr.foundation.pages.server_error"


class InnerIn(serializers.Serializer):
    label = serializers.CharField()


class BodyIn(serializers.Serializer):
    count = serializers.IntegerField()
    items = InnerIn(many=True)


class Open(APIView):
    authentication_classes = ()
    permission_classes = ()


class Raises(Open):
    def get(self, request: Request, code: str) -> Response:
        raise error_class(code)("A sentence of its own.", details={"at": 3})


class Echo(Open):
    def get(self, request: Request) -> Response:
        return Response({"ok": True})

    def post(self, request: Request) -> Response:
        return Response(request.data)


class Validates(Open):
    def post(self, request: Request) -> Response:
        BodyIn(data=request.data).is_valid(raise_exception=True)
        return Response({})


class Streams(StreamingAPIView):
    async def post(self, request: Request) -> StreamingHttpResponse:
        async def frames() -> Any:
            yield f"{request.user.email} said {request.data['word']}"

        return StreamingHttpResponse(frames(), content_type="text/event-stream")

    async def get(self, request: Request) -> Response:
        if request.query_params.get("fail") == "known":
            raise error_class("session_busy")()
        if request.query_params.get("fail"):
            raise RuntimeError("secret-of-the-server")
        return Response({"email": request.user.email})


def crashes(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("secret-of-the-server")


def bad_sql(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret_of_the_server FROM nowhere")
    return HttpResponse()


def missing(request: HttpRequest) -> HttpResponse:
    raise Http404("secret-of-the-server")


def forbidden(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied("secret-of-the-server")


@require_GET
def only_get(request: HttpRequest) -> HttpResponse:
    return HttpResponse("fine")


async def plain_async(request: HttpRequest) -> HttpResponse:
    return problem_response(error_class("run_not_found")(), request)


async def fine_async(request: HttpRequest) -> HttpResponse:
    return HttpResponse("fine")


urlpatterns = [
    path("", include("taskmapr.foundation.urls")),
    path("api/raises/<slug:code>", Raises.as_view()),
    path("api/echo", Echo.as_view()),
    path("api/validates", Validates.as_view()),
    path("api/streams", Streams.as_view()),
    path("api/crashes", crashes),
    path("api/sql", bad_sql),
    path("api/missing", missing),
    path("api/forbidden", forbidden),
    path("api/only-get", only_get),
    path("api/plain-async", plain_async),
    path("api/fine-async", fine_async),
    path("pages/slashed/", only_get),
    path("pages/bare", only_get),
    path("crashes", crashes),
]
