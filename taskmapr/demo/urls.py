"""Routes below /console/."""

from django.urls import path

from taskmapr.demo import views

urlpatterns = [
    path("", views.workspace, name="console"),
    path("parts/", views.parts, name="console-parts"),
    path("token", views.token, name="console-token"),
    path("<slug:place>", views.workspace, name="console-place"),
]
