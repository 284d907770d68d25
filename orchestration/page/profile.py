"""What a profile says about an overlay run, as plain values without a database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchestration.page.context import RequestConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A page of the host application that the assistant may know."""

    path: str
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileView:
    """One version of an overlay profile."""

    name: str = "default"
    #: Who the assistant is, in the words of the operator. Empty: a general page assistant.
    role: str = ""
    model: str = ""
    #: Models that a request may choose instead.
    allowed_models: tuple[str, ...] = ()
    max_output_tokens: int | None = None
    temperature: float | None = None
    #: Whether `config.instructions` of a request are followed.
    instructions_allowed: bool = False
    routes: tuple[Route, ...] = ()
    keywords: tuple[str, ...] = ()
    #: Origins (`https://host[:port]`) that `navigate` may leave for.
    navigation_origins: tuple[str, ...] = ()
    click_allowed: bool = False
    #: Whether clicks may submit or delete.
    submit_click_allowed: bool = False
    #: Names that `custom` actions may carry; empty: any.
    custom_names: tuple[str, ...] = ()
    #: Names of the collections that may be searched; `*` stands for all.
    knowledge_collections: tuple[str, ...] = ()
    #: False: the model cannot call tools and is told the text form of actions instead.
    supports_tools: bool = True

    def ui_options(self) -> dict[str, Any]:
        """What the `ui` tools find in `ToolContext.options["ui"]`; JSON."""
        return {
            "origins": list(self.navigation_origins),
            "click": self.click_allowed,
            "click_submit": self.submit_click_allowed,
            "custom_names": list(self.custom_names),
        }

    def knowledge_options(self) -> dict[str, Any]:
        """What the `knowledge` tools find in `ToolContext.options["knowledge"]`; JSON."""
        return {"collections": list(self.knowledge_collections)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChoice:
    """The model settings of one run. `max_output_tokens` None: the model's own limit."""

    model: str
    temperature: float | None
    max_output_tokens: int | None
    #: Extra instructions of the request, empty unless the profile allows them.
    instructions: str


def model_choice(config: RequestConfig, profile: ProfileView) -> ModelChoice:
    """What of a request's wishes the profile honours."""
    honoured = config.model is not None and config.model in profile.allowed_models
    limits = [n for n in (config.max_tokens, profile.max_output_tokens) if n is not None]
    return ModelChoice(
        model=config.model if honoured and config.model else profile.model,
        temperature=profile.temperature if config.temperature is None else config.temperature,
        max_output_tokens=min(limits) if limits else None,
        instructions=(config.instructions or "") if profile.instructions_allowed else "",
    )
