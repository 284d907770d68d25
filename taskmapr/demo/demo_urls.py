"""Routes below /demo/."""

from django.urls import path

from taskmapr.demo import views

urlpatterns = [path("overlay/", views.overlay_demo, name="demo-overlay")]
