"""Routes below /demo/."""

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

from taskmapr.demo import views
from taskmapr.demo.n8n import stub_workflow

urlpatterns: list[URLPattern | URLResolver] = [
    path("overlay/", views.overlay_demo, name="demo-overlay"),
    path("tasks/", views.tasks, name="demo-tasks"),
    path("n8n/<path:place>", stub_workflow),
]
if settings.DEMO_ESC:
    urlpatterns.append(path("esc/", include("taskmapr.demo.esc.urls")))
