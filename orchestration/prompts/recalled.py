"""What a new conversation is told of its user from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from orchestration.prompts.hygiene import DataQuoter

MAX_SESSIONS: Final = 3
MAX_PREFERENCES: Final = 5
#: Characters of one note.
NOTE_LENGTH: Final = 300
_TITLE, _ASKED, _ANSWERED = 50, 80, 85
_SEALED: Final = "- the user prefers: [sealed]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """Notes about the user's latest other sessions, and what the user prefers; newest first.

    Preferences come out of sealed memory: they are told to the model and stored nowhere else.
    """

    sessions: tuple[str, ...] = ()
    preferences: tuple[str, ...] = ()

    def lines(self, quoter: DataQuoter) -> list[str]:
        """As list items, quoted as data."""
        sessions = [
            f"- from an earlier session: {quoter.text(note, NOTE_LENGTH)}" for note in self.sessions
        ]
        return sessions + [_preference(text, quoter) for text in self.preferences]

    def sealed_in(self, instructions: str, quoter: DataQuoter) -> str:
        """The instructions as they may be stored: without what the user prefers."""
        for text in self.preferences:
            instructions = instructions.replace(_preference(text, quoter), _SEALED)
        return instructions


def _preference(text: str, quoter: DataQuoter) -> str:
    return f"- the user prefers: {quoter.text(text, NOTE_LENGTH)}"


def session_note(*, at: datetime, title: str, asked: str, answered: str) -> str:
    """One session in at most 300 characters. No model is asked: its first, its last, and when."""
    said = [f"{at:%Y-%m-%d %H:%M} UTC"]
    title, asked = title.strip(), asked.strip()
    if title and not asked.startswith(title):
        said.append(f"it began with '{_cut(title, _TITLE)}'")
    said.append(f"the user last asked '{_cut(asked, _ASKED)}'")
    if answered.strip():
        said.append(f"the answer was '{_cut(answered.strip(), _ANSWERED)}'")
    return "; ".join(said)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
