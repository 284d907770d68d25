"""The HTTP map."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from orchestration.api.reference import service_docs
from orchestration.api.service import service_health, service_root

handler400 = "taskmapr.foundation.pages.bad_request"
handler403 = "taskmapr.foundation.pages.permission_denied"
handler404 = "taskmapr.foundation.pages.page_not_found"
handler500 = "taskmapr.foundation.pages.server_error"

urlpatterns = [
    path("", service_root, name="root"),
    path("health", service_health, name="health"),
    path("docs", service_docs, name="docs"),
    path("", include("orchestration.urls")),
    path("", include("taskmapr.foundation.urls")),
    path("api/v1/", include("taskmapr.users.urls")),
    path("console/", include("taskmapr.demo.urls")),
    path("admin/", admin.site.urls),
]
