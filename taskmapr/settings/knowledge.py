"""Where the knowledge folder is, and which model turns texts into vectors."""

from __future__ import annotations

from pathlib import Path

from taskmapr.settings.env import Env

_OFF = {"none", "off", "false", "0"}


def knowledge_root_of(env: Env, data_dir: Path) -> tuple[Path, bool]:
    """The folder, and whether it is ours: one that somebody named is never written to."""
    named = env.text("KNOWLEDGE_ROOT")
    root = Path(named).expanduser().absolute() if named else data_dir / "knowledge"
    return root, not named


def embedding_model_of(env: Env) -> str:
    """In LiteLLM's notation. Empty: none is named and there is no OpenAI key, or it is `none`."""
    default = "text-embedding-3-small" if env.text("OPENAI_API_KEY") else ""
    model = env.text("TASKMAPR_EMBEDDING_MODEL", default)
    return "" if model.lower() in _OFF else model
