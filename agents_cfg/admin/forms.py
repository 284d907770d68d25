"""Forms that say what a service would refuse, beside the field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from django import forms
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from agents_cfg.admin.lines import LinesField, RoutesField
from agents_cfg.models import Tool, ToolDanger
from agents_cfg.services.model_profiles import model_profile_check
from agents_cfg.services.overlay_profiles import overlay_profile_check
from taskmapr.core.errors import InvalidInput
from taskmapr.core.tools import registry


def _host(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    return parts.scheme, parts.netloc


class CheckedForm(forms.ModelForm):  # type: ignore[type-arg]
    """A model form whose instance must also pass a service's check."""

    check_instance: Callable[[Any], None]
    #: Where the column's name reads badly.
    words: Mapping[str, str] = {}
    #: Secret → the address that it is sent to.
    sent_to: Mapping[str, str] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label in self.words.items():
            if name in self.fields:
                self.fields[name].label = label

    def clean(self) -> dict[str, Any]:
        """A secret that nobody can read must not be led to another host by who cannot read it."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for secret, address in self.sent_to.items():
            is_kept = cleaned.get(secret) == "" and bool(getattr(self.instance, secret))
            before, after = getattr(self.instance, address), cleaned.get(address)
            if is_kept and after and _host(before) != _host(after):
                self.add_error(secret, "It would be sent to another host: type it again.")
        return cleaned

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        try:
            type(self).check_instance(self.instance)
        except InvalidInput as error:
            for problem in error.details["fields"]:
                self.add_error(self.field_of(problem["path"]), problem["message"])

    def field_of(self, path: str) -> str | None:
        """Where a problem is told. What this person may not change has no field: above them all."""
        return path if path in self.fields else None


ToolGroups = list[tuple[str, list[tuple[str, str]]]]


def tool_choices(chosen: Iterable[str]) -> ToolGroups:
    """Tools by provider, and for each provider of several one choice for all of them.

    What is chosen and not installed at present stays, so that it can be taken away. The `ui` tools
    are chosen one by one: whether pages may be clicked is a decision of its own.
    """
    specs = registry.all()
    providers = Counter(spec.provider for spec in specs if spec.provider != "ui")
    patterns = {f"{provider}.*" for provider, count in providers.items() if count > 1}
    patterns |= {name for name in chosen if name.endswith("*")}
    labels = {name: f"{name}: not installed" for name in chosen}
    labels |= {
        name: f"{name}: Every tool whose name begins so, also new ones." for name in patterns
    }
    labels |= {spec.name: f"{spec.name}: {spec.summary}" for spec in specs}
    # What only reads comes with its server; the rest is chosen here, one by one.
    labels |= {
        tool.name: f"{tool.name}: {tool.summary[:200]}"
        for tool in Tool.objects.filter(server__is_enabled=True, is_enabled=True, is_present=True)
        if tool.danger != ToolDanger.READ
    }
    groups: dict[str, list[tuple[str, str]]] = {}
    for name in sorted(labels):
        groups.setdefault(name.rpartition(".")[0], []).append((name, labels[name]))
    return list(groups.items())


class OverlayProfileForm(CheckedForm):
    check_instance = staticmethod(overlay_profile_check)
    words = {
        "is_default": "Default",
        "max_output_tokens": "Longest answer in tokens",
        "max_turns": "Most model turns",
        "run_timeout_s": "Longest run in seconds",
        "allow_submit_click": "May click buttons that submit or delete",
        "allow_client_instructions": "Pages may add instructions",
        "allowed_origins": "Sites that use it",
        "allowed_models": "Models to ask for",
        "navigate_origins": "Other sites to lead to",
        "mcp_servers": "MCP servers",
        "recall_sessions": "Knows of earlier sessions",
        "recall_preferences": "Knows what users prefer",
        "rate_limit_per_minute": "Requests per minute",
    }
    tools = forms.MultipleChoiceField(
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="What the assistant may call. Everything else it does not even see.",
    )

    allowed_origins = LinesField(
        help_text="Sites that use this profile, such as https://app.example.com."
    )
    allowed_models = LinesField(help_text="Names of models that a request may ask for.")
    routes = RoutesField(rows=6, help_text="Pages of the site, such as: /tags Tags.")
    keywords = LinesField(help_text="Words by which elements of a page are found.")
    navigate_origins = LinesField(help_text="Other sites to which the assistant may lead.")
    custom_actions = LinesField(help_text="Actions of your own pages that it may start.")
    knowledge_collections = LinesField(rows=2, help_text="Collections to search; * means all.")
    mcp_servers = LinesField(
        rows=2, help_text="MCP servers whose allowed tools are offered; * means all."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["tools"].choices = tool_choices(self.instance.tools or [])  # type: ignore[attr-defined]

    def _get_validation_exclusions(self) -> set[str]:
        """A second default is no error here: the service takes it from the one before."""
        return {*super()._get_validation_exclusions(), "is_default"}  # type: ignore[misc]


class ModelProfileForm(CheckedForm):
    check_instance = staticmethod(model_profile_check)
    sent_to = {"api_key": "base_url"}
    words = {
        "is_enabled": "Enabled",
        "supports_tools": "Can call tools",
        "base_url": "Address",
        "api_key": "API key",
        "timeout_s": "Longest silence in seconds",
        "max_output_tokens": "Longest answer in tokens",
        "context_tokens": "Window in tokens",
        "input_price_usd": "Tokens in",
        "output_price_usd": "Tokens out",
    }
