"""A form for the arguments of a tool or a task, made of its JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from django import forms

from taskmapr.core.errors import InvalidInput

#: Members that get a field of their own; more are given together, as JSON.
MAX_FIELDS: Final = 40
_UNSAID: Final = ("", "not given")
_PREFIX: Final = "arg"

Schema = Mapping[str, Any]


class JsonText(forms.CharField):
    """A value of any kind, written as JSON."""

    widget = forms.Textarea

    def clean(self, value: Any) -> Any:
        text = super().clean(value).strip()
        if not text:
            return None
        try:
            return json.loads(text)
        except ValueError:
            raise forms.ValidationError("This is not JSON.") from None


class Lines(forms.CharField):
    """A list of texts, one per line."""

    widget = forms.Textarea

    def clean(self, value: Any) -> list[str] | None:
        lines = [line.strip() for line in super().clean(value).splitlines()]
        return [line for line in lines if line] or None


class Words(forms.CharField):
    """A text; an empty one is not given."""

    def clean(self, value: Any) -> str | None:
        return super().clean(value) or None


class Choice(forms.TypedChoiceField):
    """One of the values that a schema lists, with its type."""

    def __init__(self, values: list[Any], **options: Any) -> None:
        choices = [(json.dumps(value), str(value)) for value in values]
        if not options["required"] or options.get("initial") is None:
            choices.insert(0, _UNSAID)
        options["initial"] = json.dumps(options.get("initial"))
        super().__init__(choices=choices, coerce=json.loads, empty_value=None, **options)


_PLAIN: Final[Mapping[str, type[forms.Field]]] = {
    "string": Words,
    "integer": forms.IntegerField,
    "number": forms.FloatField,
}


class ArgumentsForm(forms.Form):
    """Valid when the arguments would be taken, which are then in `arguments`.

    check: raises InvalidInput for arguments that would not be, with paths from the top of them.
    given: what stands in the fields at first. is_open: more than the named members is allowed, so
    without any they are given together.
    """

    def __init__(
        self,
        schema: Schema,
        check: Callable[[Any], Any],
        data: Any = None,
        *,
        given: Mapping[str, Any] = MappingProxyType({}),
        is_open: bool = False,
    ) -> None:
        super().__init__(data, prefix=_PREFIX)
        self._check = check
        self.arguments: dict[str, Any] = {}
        members: Mapping[str, Any] = schema.get("properties") or {}
        self._is_whole = len(members) > MAX_FIELDS or (is_open and not members)
        if self._is_whole:
            text = json.dumps(dict(given), ensure_ascii=False) if given else ""
            whole = JsonText(label="Arguments", required=not is_open, initial=text)
            self.fields["arguments"] = _drawn(whole)
            return
        required = schema.get("required") or ()
        for name, said in members.items():
            shown = {**said, "default": given[name]} if name in given else said
            self.fields[name] = _drawn(_field(name, shown, name in required))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        given = {name: value for name, value in cleaned.items() if value is not None}
        self.arguments = given.get("arguments") or {} if self._is_whole else given
        if self.errors:
            return cleaned
        try:
            self._check(self.arguments)
        except InvalidInput as error:
            for problem in error.details.get("fields", [{"path": "", "message": error.detail}]):
                member = problem["path"].split(".")[0]
                self.add_error(member if member in self.fields else None, problem["message"])
        return cleaned


def _field(name: str, schema: Any, is_required: bool) -> forms.Field:
    said: Schema = schema if isinstance(schema, Mapping) else {}
    options: dict[str, Any] = {
        "label": name,
        "required": is_required,
        "initial": said.get("default"),
        "help_text": str(said.get("description") or "")[:300],
    }
    values = said.get("enum")
    if isinstance(values, list) and values:
        return Choice(values, **options)
    kind = _kind(said)
    if kind == "boolean":
        return Choice([True, False], **options)
    if kind in _PLAIN:
        return _PLAIN[kind](**options)
    return _written(said, options)


def _written(schema: Schema, options: dict[str, Any]) -> forms.Field:
    """What is no single value: texts line by line, everything else as JSON."""
    initial = options.pop("initial")
    if _kind(schema) == "array" and _is_of_texts(schema):
        lines = "\n".join(map(str, initial)) if isinstance(initial, list) else ""
        return Lines(initial=lines, **_helped(options, "one per line"))
    text = "" if initial is None else json.dumps(initial)
    return JsonText(initial=text, **_helped(options, "as JSON"))


def _kind(schema: Schema) -> str:
    """The one type that it takes, null apart: that is what leaving it out is for."""
    kinds = schema.get("type")
    named = [kind for kind in (kinds if isinstance(kinds, list) else [kinds]) if kind != "null"]
    return str(named[0]) if len(named) == 1 else ""


def _is_of_texts(schema: Schema) -> bool:
    items = schema.get("items")
    return isinstance(items, Mapping) and items.get("type") == "string" and "enum" not in items


def _helped(options: dict[str, Any], how: str) -> dict[str, Any]:
    said = options["help_text"]
    return {**options, "help_text": f"{said} ({how})" if said else how.capitalize()}


def _drawn(field: forms.Field) -> forms.Field:
    field.widget.attrs["class"] = "tm-input"
    if isinstance(field.widget, forms.Textarea):
        field.widget.attrs["rows"] = 3
    return field
