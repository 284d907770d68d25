"""What the page for Prometheus shows, of one web process of a stack."""

from __future__ import annotations

from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.stack import Stack


class Scraped:
    """The page as it is now."""

    def __init__(self, stack: Stack, web: int = 0) -> None:
        with urlopen(f"{stack.address(web)}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        self._values = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def value(self, name: str, /, **labels: str) -> float:
        """0 for what never happened. name: without its prefix."""
        return self._values.get((f"taskmapr_{name}", frozenset(labels.items())), 0)

    def labels(self, name: str) -> set[frozenset[str]]:
        """The names of the labels that samples of this name carry; empty when there is none."""
        return {
            frozenset(label for label, _ in labels)
            for shown, labels in self._values
            if shown == f"taskmapr_{name}"
        }
