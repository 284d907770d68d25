"""The addresses of intents and jobs."""

from __future__ import annotations

from django.urls import path

from orchestration.api.actions import actions_json
from orchestration.api.intents import IntentAliasApi, IntentApi, IntentsApi
from orchestration.api.jobs import JobApi, JobCancelApi, JobRedeliverApi, JobsApi, JobStreamApi
from orchestration.api.usage import UsageApi

urlpatterns = [
    path("orchestrate", IntentApi.as_view()),
    path("api/orchestrate", IntentAliasApi.as_view()),
    path("intents", IntentsApi.as_view()),
    path("jobs", JobsApi.as_view()),
    path("jobs/<str:job_id>", JobApi.as_view()),
    path("jobs/<str:job_id>/stream", JobStreamApi.as_view()),
    path("jobs/<str:job_id>/cancel", JobCancelApi.as_view()),
    path("jobs/<str:job_id>/redeliver", JobRedeliverApi.as_view()),
    path("usage", UsageApi.as_view()),
    path("openapi/actions.json", actions_json),
]
