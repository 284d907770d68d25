"""A column for secrets: sealed at rest, never shown again by a form."""

from __future__ import annotations

import logging
from typing import Any

from cryptography.fernet import InvalidToken
from django import forms
from django.db import models
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from taskmapr.foundation.crypto import master_fernet

logger = logging.getLogger(__name__)


class UnreadableSecret(str):
    """Stands for a secret that no present master key opens: empty to readers, kept on saving."""

    __slots__ = ("stored",)
    stored: str

    @classmethod
    def of(cls, stored: str) -> UnreadableSecret:
        secret = cls("")
        secret.stored = stored
        return secret


class SecretInput(forms.MultiWidget):
    """An input that never shows what is stored, and a box that removes it."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        box = forms.CheckboxInput()
        typed = forms.PasswordInput(attrs={"autocomplete": "new-password"}, render_value=False)
        super().__init__(widgets={"": typed, "remove": box}, attrs=attrs)

    def decompress(self, value: Any) -> list[Any]:
        return ["", False]

    def id_for_label(self, id_: str) -> str:
        return id_

    def render(
        self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None
    ) -> SafeString:
        """The box stands beside words that say what it does."""
        typed, box = self.widgets
        box_id = f"{(attrs or {}).get('id', name)}_remove"
        return format_html(
            '{}<label class="tm-secret" for="{}">{} {}</label>',
            typed.render(name, "", attrs, renderer),
            box_id,
            box.render(f"{name}_remove", False, {"id": box_id}, renderer),
            _("Remove the stored value"),
        )


class SecretFormField(forms.MultiValueField):
    """Cleans to the new secret, to "" (keep what is stored) or to None (remove it)."""

    widget = SecretInput

    def __init__(self, *, max_length: int | None = None, **kwargs: Any) -> None:
        kwargs.pop("widget", None)
        kwargs["required"] = False
        kwargs["help_text"] = kwargs.get("help_text") or _(
            "Stored sealed and never shown. Leave empty to keep it; tick the box to remove it."
        )
        parts = (
            forms.CharField(required=False, max_length=max_length),
            forms.BooleanField(required=False),
        )
        super().__init__(fields=parts, require_all_fields=False, **kwargs)

    def compress(self, data_list: list[Any]) -> str | None:
        typed, remove = data_list or ("", False)
        return typed or (None if remove else "")

    def has_changed(self, initial: Any, data: Any) -> bool:
        return any(data or ())


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]
    """Text that rests under the server's master key.

    Readable in Python, never in the database or in a form: forms show an empty input, an empty
    input keeps what is stored. Cannot be searched or compared by the database. Serialised
    fixtures leave it empty.
    """

    description = "Text sealed with the server's master key"

    def get_prep_value(self, value: Any) -> str | None:
        if isinstance(value, UnreadableSecret):
            return value.stored
        if value is None or value == "":
            return None if value is None else ""
        return master_fernet("field").encrypt(str(value).encode()).decode()

    def from_db_value(self, value: str | None, *_: Any) -> str | None:
        if not value:
            return value
        try:
            return master_fernet("field").decrypt(value).decode()
        except InvalidToken:
            logger.exception("A stored %s cannot be read: its master key is missing.", self)
            return UnreadableSecret.of(value)

    def get_lookup(self, lookup: str) -> Any:
        if lookup != "isnull":
            raise TypeError(f"{self} is sealed and cannot be looked up")
        return super().get_lookup(lookup)

    def value_from_object(self, obj: models.Model) -> str:
        return ""

    def save_form_data(self, instance: models.Model, data: Any) -> None:
        if data != "":
            setattr(instance, self.attname, data or "")

    def formfield(self, **kwargs: Any) -> forms.Field | None:
        return super().formfield(**{**kwargs, "form_class": SecretFormField, "widget": None})
