"""What signs callbacks, and checks requests that others sign in the same way.

The scheme is that of Standard Webhooks (https://www.standardwebhooks.com): an HMAC of SHA-256 over
id, time and raw body.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from orchestration.models import SignedRequest, WebhookSecret
from taskmapr.core.errors import AlreadyResolved, InvalidSignature, NotConfigured

#: Hours for which a replaced secret still signs and checks.
OVERLAP_H: Final = 24
#: Minutes for which a signed request is remembered: twice what clocks may differ, and one more.
REMEMBERED_MIN: Final = 11
_KEY_BYTES: Final = 32


# Secrets -----------------------------------------------------------------------------------------


def webhook_secret_make(*, owner_id: UUID | None) -> WebhookSecret:
    """A first secret for this owner (None: for all who have none), or one in place of the present.

    The present one goes on for OVERLAP_H hours. The new one may be shown once.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        # Two who rotate at once take turns, so that each gets the secret that counts in the end.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"whsec {owner_id}"])
        present = WebhookSecret.objects.filter(owner_id=owner_id, expires_at=None)
        present.update(expires_at=Now() + timedelta(hours=OVERLAP_H))
        return WebhookSecret.objects.create(owner_id=owner_id, secret=_new_secret())


def webhook_secret_reveal(*, secret_id: int) -> str:
    """The secret's text, the first time that somebody asks. Raises AlreadyResolved ever after."""
    shown = WebhookSecret.objects.filter(pk=secret_id, shown_at=None).update(shown_at=Now())
    if not shown:
        raise AlreadyResolved("It was shown before. Rotate it to get another.")
    return WebhookSecret.objects.values_list("secret", flat=True).get(pk=secret_id)


def server_secret_ensure() -> None:
    """There is something to sign everybody's callbacks with.

    On a developer's machine one is made; it waits in the admin to be shown. Raises NotConfigured in
    production.
    """
    if settings.TASKMAPR["webhook_secret"]:
        return
    if WebhookSecret.objects.filter(owner=None, expires_at=None).exists():
        return
    if settings.ENV == "prod":
        raise NotConfigured("Callbacks cannot be signed: TASKMAPR_WEBHOOK_SECRET is not set.")
    WebhookSecret.objects.bulk_create(
        [WebhookSecret(owner=None, secret=_new_secret())], ignore_conflicts=True
    )


def secrets_of(owner_id: UUID) -> list[str]:
    """What signs this owner's callbacks, the present secret first. At least one.

    Raises NotConfigured when there is none.
    """
    valid = WebhookSecret.objects.filter(Q(expires_at=None) | Q(expires_at__gt=Now()))
    rows = list(valid.filter(Q(owner_id=owner_id) | Q(owner=None)).order_by("-id"))
    own = [row.secret for row in rows if row.owner_id is not None and row.secret]
    of_all = [row.secret for row in rows if row.owner_id is None and row.secret]
    configured = settings.TASKMAPR["webhook_secret"]
    found = own or ([configured] if configured else of_all)
    if not found:
        raise NotConfigured("Callbacks cannot be signed: TASKMAPR_WEBHOOK_SECRET is not set.")
    return found


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(os.urandom(_KEY_BYTES)).decode()


# Signing and checking ----------------------------------------------------------------------------


def signature_headers(
    *, message_id: str, body: bytes, secrets: list[str], at: datetime | None = None
) -> dict[str, str]:
    """The three headers of a signed request, one signature per secret. at: now by default.

    body: UTF-8.
    """
    moment = at or datetime.now(UTC)
    text = body.decode()
    signed = [Webhook(secret).sign(message_id, moment, text) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(signed),
    }


def is_signed(headers: Mapping[str, str]) -> bool:
    """Whether a request claims to be signed; names of headers in any case."""
    return "webhook-signature" in {name.lower() for name in headers}


def signed_request_verify(*, headers: Mapping[str, str], body: bytes, owner_id: UUID) -> None:
    """The request was signed with a secret of this owner, lately, and comes for the first time.

    Clocks may differ by five minutes. Raises InvalidSignature, which does not say what was wrong;
    the request is then not remembered, so a true one of the same id may still come.
    """
    given = {name.lower(): value for name, value in headers.items()}
    message_id = given.get("webhook-id", "")
    if not 0 < len(message_id) <= 160 or not message_id.isprintable():
        raise InvalidSignature
    if not any(_fits(secret, given, body) for secret in secrets_of(owner_id)):
        raise InvalidSignature
    if not _first_time(f"{owner_id}:{message_id}"):
        raise InvalidSignature


def _fits(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    try:
        Webhook(secret).verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError, binascii.Error):
        # The library raises what its parsers raise at malformed signatures and bodies.
        return False
    return True


def _first_time(message_id: str) -> bool:
    SignedRequest.objects.filter(expires_at__lte=Now()).delete()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO agent_signed_requests (message_id, expires_at)"
            " VALUES (%s, now() + make_interval(mins => %s)) ON CONFLICT DO NOTHING",
            [message_id, REMEMBERED_MIN],
        )
        return bool(cursor.rowcount)
