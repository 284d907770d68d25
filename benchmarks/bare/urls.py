"""One DRF view that checks its input and writes one row."""

from __future__ import annotations

from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from benchmarks.bare.rows import row_write


class _Asked(serializers.Serializer):  # type: ignore[type-arg]
    text = serializers.CharField(max_length=32_000)


class RowView(APIView):
    def post(self, request: Request) -> Response:
        asked = _Asked(data=request.data)
        asked.is_valid(raise_exception=True)
        return Response({"id": row_write(asked.validated_data["text"])})


urlpatterns = [path("rows", RowView.as_view())]
