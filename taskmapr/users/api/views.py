"""`/api/v1/auth/…`"""

from __future__ import annotations

from typing import Any, cast

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from taskmapr.users.api import described
from taskmapr.users.api.serializers import (
    CredentialsIn,
    PasswordIn,
    RefreshIn,
    profile_out,
    tokens_out,
)
from taskmapr.users.models import User
from taskmapr.users.scopes import ANY
from taskmapr.users.services.accounts import user_delete_own, user_register
from taskmapr.users.services.sign_ins import tokens_refresh, user_login, user_logout


class OpenView(APIView):
    """For those who have no token yet: credentials that are sent are not looked at."""

    authentication_classes = ()
    permission_classes = ()


class RegisterView(OpenView):
    @described.REGISTER
    def post(self, request: Request) -> Response:
        tokens = user_register(**_read(CredentialsIn(data=request.data)))
        return Response(tokens_out(tokens), status=201)


class LoginView(OpenView):
    @described.LOGIN
    def post(self, request: Request) -> Response:
        return Response(tokens_out(user_login(**_read(CredentialsIn(data=request.data)))))


class RefreshView(OpenView):
    @described.REFRESH
    def post(self, request: Request) -> Response:
        return Response(tokens_out(tokens_refresh(**_read(RefreshIn(data=request.data)))))


class LogoutView(APIView):
    @described.LOGOUT
    def post(self, request: Request) -> Response:
        user_logout(user_id=_user(request).pk, **_read(RefreshIn(data=request.data)))
        return Response({"ok": True})


class MeView(APIView):
    required_scope = {"GET": ANY}

    @described.ME
    def get(self, request: Request) -> Response:
        return Response(profile_out(_user(request)))

    @described.ME_DELETE
    def delete(self, request: Request) -> Response:
        user_delete_own(user=_user(request), **_read(PasswordIn(data=request.data)))
        return Response({"ok": True}, status=202)


def _read(serializer: Serializer) -> dict[str, Any]:  # type: ignore[type-arg]
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def _user(request: Request) -> User:
    return cast(User, request.user)
