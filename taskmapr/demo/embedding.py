"""How a page of somebody else gets the overlay: the tag, the import, the options."""

from __future__ import annotations

from typing import Any, Final

from taskmapr.foundation.middleware import OVERLAY_SCRIPT

_MODULE: Final = """\
<script type="module">
  import {{ mountOverlay }} from "{script}";

  const overlay = mountOverlay({{
    token: async () => (await fetch("/your/token")).text(),
    customContext: () => ({{ tenant: "acme", plan: "team" }}),
    navigate: (path) => {{ router.push(path); return true; }},
    onAction: (action) => action.type !== "click",
    suggestions: ["What is on this page?", "Show me around"],
  }});
  document.querySelector("#help").onclick = () => overlay.open();
</script>"""

_OPTIONS: Final = (
    ("endpoint", "data-endpoint", "Where TaskMapr is. Empty: where the script came from."),
    ("token", "data-token", "The bearer token, or a function that knows it."),
    ("user", "data-user", "Who is signed in. What another user said in this tab is forgotten."),
    ("profile", "data-profile", "The overlay profile to ask with."),
    ("sessionId", "data-session-id", "A conversation to go on with."),
    ("position", "data-position", "bottom-right, bottom-left, or inline in a host."),
    ("host", "data-host", "For inline: the element, or a selector of it."),
    ("theme", "data-theme", "auto, light or dark."),
    ("title", "data-title", "The panel's heading, and the words on its button."),
    ("greeting", "data-greeting", "Shown while nothing has been said."),
    ("suggestions", "data-suggestions", "Questions to begin with; in the attribute divided by |."),
    ("open", "data-open", "Whether the panel is open at first."),
    ("hotkey", "data-hotkey", "The character that goes to the question; empty for none."),
    ("snapshot.root", "data-snapshot-root", "The assistant sees only what is below this selector."),
    ("snapshot.exclude", "data-snapshot-exclude", "The assistant sees nothing inside these."),
    ("customContext", "", "An object, or a function: told to the model as data."),
    ("navigate", "", "The page's router: path in, true if it went there."),
    ("onAction", "", "Asked before each action; false prevents it."),
)


def embedding(server: str) -> dict[str, Any]:
    """What the console shows of it. server: this server's address, as browsers know it."""
    script = f"{server}{OVERLAY_SCRIPT}"
    return {
        "tag": f'<script type="module" src="{script}" data-endpoint="{server}"></script>',
        "module": _MODULE.format(script=script),
        "options": [
            {"name": name, "attribute": attribute, "says": says}
            for name, attribute, says in _OPTIONS
        ],
    }
