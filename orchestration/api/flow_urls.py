"""Addresses that workflows call."""

from __future__ import annotations

from django.urls import path

from orchestration.api.resume import JobResumeApi

urlpatterns = [path("jobs/<str:job_id>/resume", JobResumeApi.as_view())]
