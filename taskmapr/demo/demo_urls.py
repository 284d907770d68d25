"""Routes below /demo/."""

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

from taskmapr.demo import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("overlay/", views.overlay_demo, name="demo-overlay"),
    path("tasks/", views.tasks, name="demo-tasks"),
]
if settings.DEMO_ESC:
    urlpatterns.append(path("esc/", include("taskmapr.demo.esc.urls")))
