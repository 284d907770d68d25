"""Routes at the root: what a problem's `type` points to."""

from django.urls import path

from taskmapr.foundation import pages

urlpatterns = [
    path("problems", pages.problem_list_page, name="problem-list"),
    path("problems/<slug:code>", pages.problem_page, name="problem"),
]
