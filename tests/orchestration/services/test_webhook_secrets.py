"""What signs callbacks, how it is changed, and requests that others sign."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from standardwebhooks import Webhook

from orchestration.models import SignedRequest, WebhookSecret
from orchestration.services.webhook_secrets import (
    secrets_of,
    server_secret_ensure,
    signature_headers,
    signed_request_verify,
    webhook_secret_make,
    webhook_secret_reveal,
)
from taskmapr.core.errors import AlreadyResolved, InvalidSignature, NotConfigured
from taskmapr.users.models import User
from tests.orchestration.callbacks import SECRET

pytestmark = pytest.mark.django_db
BODY = b'{"a": "\xc3\xbc"}'


@pytest.mark.req("IN-40")
def test_own_secrets_go_before_the_servers(ada: User, cyd: User, settings: Any) -> None:
    settings.TASKMAPR = {**settings.TASKMAPR, "webhook_secret": SECRET}
    own = webhook_secret_make(owner_id=ada.pk)

    assert secrets_of(ada.pk) == [own.secret]
    assert secrets_of(cyd.pk) == [SECRET]


@pytest.mark.req("IN-40")
def test_a_secret_is_whsec_and_base64_of_32_bytes(ada: User) -> None:
    secret = webhook_secret_make(owner_id=ada.pk).secret

    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32


@pytest.mark.req("IN-47")
def test_a_rotated_secret_signs_for_a_day_more(ada: User) -> None:
    old, new = webhook_secret_make(owner_id=ada.pk), webhook_secret_make(owner_id=ada.pk)

    assert secrets_of(ada.pk) == [new.secret, old.secret]
    left = WebhookSecret.objects.get(pk=old.pk).expires_at
    assert left is not None
    assert abs(left - datetime.now(UTC) - timedelta(hours=24)) < timedelta(minutes=1)

    WebhookSecret.objects.filter(pk=old.pk).update(expires_at=Now())
    assert secrets_of(ada.pk) == [new.secret]


@pytest.mark.req("IN-40")
def test_both_signatures_are_sent_meanwhile(ada: User) -> None:
    for _ in range(2):
        webhook_secret_make(owner_id=ada.pk)
    headers = signature_headers(message_id="msg_1", body=BODY, secrets=secrets_of(ada.pk))

    assert headers["webhook-signature"].count("v1,") == 2
    for secret in secrets_of(ada.pk):
        assert Webhook(secret).verify(BODY, headers) == {"a": "ü"}


@pytest.mark.req("IN-40")
def test_is_shown_once_and_rests_sealed(ada: User) -> None:
    made = webhook_secret_make(owner_id=ada.pk)

    assert webhook_secret_reveal(secret_id=made.pk) == made.secret
    with pytest.raises(AlreadyResolved):
        webhook_secret_reveal(secret_id=made.pk)
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM agent_webhook_secrets")
        assert made.secret not in cursor.fetchone()[0]


def test_nothing_to_sign_with_is_said(ada: User, settings: Any) -> None:
    with pytest.raises(NotConfigured):
        secrets_of(ada.pk)

    server_secret_ensure()

    assert secrets_of(ada.pk) == [WebhookSecret.objects.get().secret]


# Requests that others sign


def signed(secret: str, **changes: Any) -> dict[str, str]:
    at = changes.pop("at", datetime.now(UTC))
    headers = signature_headers(message_id="msg_7", body=BODY, secrets=[secret], at=at)
    return {**headers, **changes}


@pytest.fixture
def secret(ada: User) -> str:
    return webhook_secret_make(owner_id=ada.pk).secret


@pytest.mark.req("IN-40")
def test_takes_a_signed_request_once(ada: User, secret: str) -> None:
    headers = {name.title(): value for name, value in signed(secret).items()}

    signed_request_verify(headers=headers, body=BODY, owner_id=ada.pk)

    with pytest.raises(InvalidSignature):
        signed_request_verify(headers=headers, body=BODY, owner_id=ada.pk)


@pytest.mark.req("IN-40")
@pytest.mark.parametrize("minutes", [-6, 6])
def test_clocks_may_differ_by_five_minutes(ada: User, secret: str, minutes: int) -> None:
    far = datetime.now(UTC) + timedelta(minutes=minutes)
    near = datetime.now(UTC) + timedelta(minutes=minutes * 0.75)

    with pytest.raises(InvalidSignature):
        signed_request_verify(headers=signed(secret, at=far), body=BODY, owner_id=ada.pk)

    signed_request_verify(headers=signed(secret, at=near), body=BODY, owner_id=ada.pk)


@pytest.mark.parametrize(
    "changes",
    [
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,????"},
        {"webhook-signature": "v2,AAAA"},
        {"webhook-signature": "v1,\udcff"},
        {"webhook-timestamp": "now"},
        {"webhook-timestamp": "nan"},
        {"webhook-timestamp": "1e999"},
        {"webhook-id": ""},
        {"webhook-id": "msg_8"},
        {"webhook-id": "m" * 500},
        {"webhook-id": "msg\x00"},
    ],
)
def test_refuses_what_does_not_fit(ada: User, secret: str, changes: dict[str, str]) -> None:
    with pytest.raises(InvalidSignature):
        signed_request_verify(headers=signed(secret, **changes), body=BODY, owner_id=ada.pk)

    assert not SignedRequest.objects.exists()
    signed_request_verify(headers=signed(secret), body=BODY, owner_id=ada.pk)


def test_refuses_another_body_another_owner_and_no_utf8(ada: User, cyd: User, secret: str) -> None:
    webhook_secret_make(owner_id=cyd.pk)
    for body, owner in ((BODY + b" ", ada), (BODY, cyd), (b"\xff", ada)):
        with pytest.raises(InvalidSignature):
            signed_request_verify(headers=signed(secret), body=body, owner_id=owner.pk)


def test_forgets_ids_whose_time_is_over(ada: User, secret: str) -> None:
    SignedRequest.objects.create(message_id="old", expires_at=Now())

    signed_request_verify(headers=signed(secret), body=BODY, owner_id=ada.pk)

    assert list(SignedRequest.objects.values_list("pk", flat=True)) == [f"{ada.pk}:msg_7"]
