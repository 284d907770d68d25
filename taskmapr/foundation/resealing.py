"""After a new first master secret: every sealed column is sealed with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.apps import apps
from django.db import models, transaction

from taskmapr.foundation.fields import EncryptedTextField, UnreadableSecret


@dataclass(frozen=True, slots=True, kw_only=True)
class Resealed:
    """How many rows were sealed anew, and how many hold a secret that no master secret opens."""

    done: int
    unreadable: int


def columns_reseal() -> Resealed:
    """Seal all EncryptedTextField columns of all models with the first master secret.

    Row by row under a lock, so nothing that is written meanwhile is lost; repeating it is harmless.
    """
    done = unreadable = 0
    for model, fields in _sealed_columns():
        for pk in model._base_manager.values_list("pk", flat=True).order_by("pk").iterator():
            outcome = _row_reseal(model, pk, fields)
            done += outcome is True
            unreadable += outcome is False
    return Resealed(done=done, unreadable=unreadable)


def _sealed_columns() -> Iterator[tuple[type[models.Model], list[str]]]:
    for model in apps.get_models():
        fields = [f.name for f in model._meta.local_fields if isinstance(f, EncryptedTextField)]
        if fields and model._meta.managed:
            yield model, fields


@transaction.atomic
def _row_reseal(model: type[models.Model], pk: object, fields: list[str]) -> bool | None:
    """None when the row is gone or holds no secret, False when one of them cannot be read."""
    row = model._base_manager.select_for_update().only(*fields).filter(pk=pk).first()
    secrets = [getattr(row, name) for name in fields] if row else []
    if any(isinstance(secret, UnreadableSecret) for secret in secrets):
        return False
    held = {name: secret for name, secret in zip(fields, secrets, strict=False) if secret}
    return bool(model._base_manager.filter(pk=pk).update(**held)) if held else None
