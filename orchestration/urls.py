from __future__ import annotations

from django.urls import path

from orchestration.api.legacy import ChatApi, ChatStreamApi
from orchestration.api.overlay import (
    ApprovalApi,
    HistoryApi,
    OrchestrateApi,
    RunApi,
    RunCancelApi,
    RunStreamApi,
)

urlpatterns = [
    path("api/taskmapr/orchestrate", OrchestrateApi.as_view()),
    path("api/taskmapr/runs/<str:run_id>", RunApi.as_view()),
    path("api/taskmapr/runs/<str:run_id>/stream", RunStreamApi.as_view()),
    path("api/taskmapr/runs/<str:run_id>/cancel", RunCancelApi.as_view()),
    path("api/taskmapr/approvals/<str:approval_id>", ApprovalApi.as_view()),
    path("api/chat/<str:session_key>", ChatApi.as_view()),
    path("api/stream/<str:session_key>", ChatStreamApi.as_view()),
    path("api/history/<str:session_key>", HistoryApi.as_view()),
]
