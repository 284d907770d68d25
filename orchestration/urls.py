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
from orchestration.api.task_files import TaskDownloadApi, TaskScreenshotApi
from orchestration.api.task_queue import (
    AssignTaskApi,
    TaskCancelApi,
    TaskConfirmApi,
    TaskResultApi,
    TaskRetryApi,
    TaskRunsApi,
    TaskTypesApi,
)

urlpatterns = [
    path("assign-task", AssignTaskApi.as_view()),
    path("result/<str:task_id>", TaskResultApi.as_view()),
    path("tasks", TaskTypesApi.as_view()),
    path("tasks/runs", TaskRunsApi.as_view()),
    path("tasks/<str:task_id>/cancel", TaskCancelApi.as_view()),
    path("tasks/<str:task_id>/confirm", TaskConfirmApi.as_view()),
    path("tasks/<str:task_id>/retry", TaskRetryApi.as_view()),
    path("static/screenshots/<str:task_id>/<path:name>", TaskScreenshotApi.as_view()),
    path("static/results/<str:task_id>/<path:name>", TaskDownloadApi.as_view()),
    path("api/taskmapr/orchestrate", OrchestrateApi.as_view()),
    path("api/taskmapr/runs/<str:run_id>", RunApi.as_view()),
    path("api/taskmapr/runs/<str:run_id>/stream", RunStreamApi.as_view()),
    path("api/taskmapr/runs/<str:run_id>/cancel", RunCancelApi.as_view()),
    path("api/taskmapr/approvals/<str:approval_id>", ApprovalApi.as_view()),
    path("api/chat/<str:session_key>", ChatApi.as_view()),
    path("api/stream/<str:session_key>", ChatStreamApi.as_view()),
    path("api/history/<str:session_key>", HistoryApi.as_view()),
]
