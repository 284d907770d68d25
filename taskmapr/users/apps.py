"""Accounts, sign-in and the keys that seal what belongs to one account."""

from django.apps import AppConfig


class UsersConfig(AppConfig):
    name = "taskmapr.users"
    label = "users"
    verbose_name = "Accounts"
