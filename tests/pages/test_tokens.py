"""tokens.css: colours that can be read, in both schemes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CSS = (Path(__file__).parents[2] / "taskmapr/static/taskmapr/tokens.css").read_text()
PAIRS = {
    name: (light, dark)
    for name, light, dark in re.findall(
        r"--tm-([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", CSS
    )
}
SURFACES = ("surface", "surface-low", "surface-high")
STATUSES = ("blue", "amber", "green", "red", "grey")
TEXTS = [
    *((text, surface) for text in ("text", "text-quiet", "accent") for surface in SURFACES),
    *((status, f"{status}-soft") for status in STATUSES),
    *((status, surface) for status in ("red", "amber", "green") for surface in SURFACES),
    ("text", "accent-soft"),
    ("text-quiet", "accent-soft"),
    ("accent", "accent-soft"),
    ("on-accent", "accent"),
    ("on-accent", "accent-hover"),
]


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), TEXTS)
def test_text_can_be_read(text: str, ground: str, scheme: int) -> None:
    assert contrast(PAIRS[text][scheme], PAIRS[ground][scheme]) >= 4.5


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ground", SURFACES)
@pytest.mark.parametrize("edge", ["line-strong", "accent"])
def test_the_edges_of_controls_can_be_seen(edge: str, ground: str, scheme: int) -> None:
    assert contrast(PAIRS[edge][scheme], PAIRS[ground][scheme]) >= 3


def test_every_colour_that_is_used_is_a_token() -> None:
    folder = Path(__file__).parents[2] / "taskmapr/static/taskmapr"
    known = set(re.findall(r"(--tm-[\w-]+):", CSS))
    for sheet in folder.rglob("*.css"):
        own = set(re.findall(r"(--tm-[\w-]+):", sheet.read_text()))
        used = set(re.findall(r"var\((--tm-[\w-]+)\)", sheet.read_text()))
        assert used <= known | own, sheet.name
        if sheet.name != "tokens.css":
            assert not re.search(r"#[0-9a-fA-F]{3,8}\b(?=[;\s])", sheet.read_text()), sheet.name
