"""The only place that reads the environment: typed values, `*_FILE` secrets, a `.env` file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from dotenv import dotenv_values

ROOT = Path(__file__).resolve().parents[2]
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


class Env:
    """Values of the environment; those of `.env` stand behind them."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    @classmethod
    def load(cls, dotenv: Path) -> Env:
        stored = {k: v for k, v in dotenv_values(dotenv).items() if v is not None}
        return cls({**stored, **os.environ})

    def text(self, name: str, default: str = "") -> str:
        """The value of NAME, else the content of the file that NAME_FILE names, else default."""
        value = self._values.get(name, "").strip()
        file = self._values.get(f"{name}_FILE", "").strip()
        if not value and file:
            try:
                value = Path(file).read_text().strip()
            except OSError as error:
                raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error}") from error
        return value or default

    def flag(self, name: str, default: bool = False) -> bool:
        """An empty value is an absent one, as in a `.env` that lists every name."""
        value = self.text(name)
        if not value:
            return default
        if (word := value.lower()) in _TRUE:
            return True
        if word in _FALSE:
            return False
        raise ImproperlyConfigured(f"{name} must be a flag such as true or false, not {value!r}")

    def integer(
        self, name: str, default: int, *, minimum: int = 0, maximum: int | None = None
    ) -> int:
        value = self.text(name)
        try:
            number = int(value) if value else default
        except ValueError:
            raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}") from None
        if number < minimum:
            raise ImproperlyConfigured(f"{name} must be at least {minimum}")
        if maximum is not None and number > maximum:
            raise ImproperlyConfigured(f"{name} must be at most {maximum}")
        return number

    def number(self, name: str, default: float, *, minimum: float = 0.0) -> float:
        value = self.text(name)
        try:
            number = float(value) if value else default
        except ValueError:
            raise ImproperlyConfigured(f"{name} must be a number, not {value!r}") from None
        if number < minimum:
            raise ImproperlyConfigured(f"{name} must be at least {minimum}")
        return number

    def words(self, name: str, default: Iterable[str] = ()) -> list[str]:
        """A comma list without empty members."""
        value = self.text(name)
        return [word.strip() for word in value.split(",") if word.strip()] or list(default)

    def choice(self, name: str, among: tuple[str, ...], *, default: str) -> str:
        value = self.text(name, default).lower()
        if value not in among:
            raise ImproperlyConfigured(f"{name} must be one of {', '.join(among)}, not {value!r}")
        return value


def _load() -> Env:
    """Tests must not depend on the `.env` of the machine they run on."""
    return Env(dict(os.environ)) if os.environ.get("ENV") == "test" else Env.load(ROOT / ".env")


env = _load()
