"""Routes below /demo/esc/."""

from django.urls import path

from taskmapr.demo.esc import views

urlpatterns = [
    path("", views.login, name="esc-login"),
    path("logout", views.logout, name="esc-logout"),
    path("batches", views.batches, name="esc-batches"),
    path("batches/<int:number>", views.batch, name="esc-batch"),
    path("batches/<int:number>/approve", views.approve, name="esc-approve"),
]
