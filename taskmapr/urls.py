"""The HTTP map."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from orchestration.api.reference import docs_page, openapi_json, redoc_page
from orchestration.api.service import (
    service_alive,
    service_health,
    service_metrics,
    service_ready,
    service_root,
)

handler400 = "taskmapr.foundation.pages.bad_request"
handler403 = "taskmapr.foundation.pages.permission_denied"
handler404 = "taskmapr.foundation.pages.page_not_found"
handler500 = "taskmapr.foundation.pages.server_error"

urlpatterns = [
    # Addresses are looked for in this order, and these two are asked for most.
    path("", include("orchestration.api.intent_urls")),
    path("", include("orchestration.urls")),
    path("", service_root, name="root"),
    path("health", service_health, name="health"),
    path("health/ready", service_ready, name="ready"),
    path("metrics", service_metrics, name="metrics"),
    path("api/v1/health", service_alive, name="alive"),
    path("openapi.json", openapi_json, name="openapi"),
    path("docs", docs_page, name="docs"),
    path("redoc", redoc_page, name="redoc"),
    path("", include("orchestration.api.flow_urls")),
    path("", include("taskmapr.foundation.urls")),
    path("api/v1/", include("taskmapr.users.urls")),
    path("console/", include("taskmapr.demo.urls")),
    path("demo/", include("taskmapr.demo.demo_urls")),
    path("admin/", admin.site.urls),
]
