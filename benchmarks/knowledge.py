"""What a search of the knowledge folder costs over 10,000 documents.

`python -m benchmarks --only knowledge`. Starts a PostgreSQL of its own, writes a folder of made-up
documents, and measures indexing, looking for changes, and searches by words and by meaning, each
beside a plain text query of the same words in the same round.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final

from benchmarks.report import table
from benchmarks.scratch import made_up_words, scratch_database, text_of

DOCUMENTS: Final = 10_000
#: Searches of each kind in a round.
SEARCHES: Final = 200
GOAL_P95_MS: Final = 30.0
_PLAIN: Final = (
    "SELECT id FROM knowledge_chunks WHERE search @@ plainto_tsquery('english', %s)"
    " ORDER BY ts_rank(search, plainto_tsquery('english', %s)) DESC LIMIT 5"
)


def main(*, quick: bool) -> str:
    """The figures as Markdown. quick: a tenth of the documents, and one round."""
    with scratch_database() as place:
        words = made_up_words()
        root = place / "knowledge"
        count = DOCUMENTS // 10 if quick else DOCUMENTS
        _folder_write(root, words, count)
        rows = [*_indexing(count), *_searching(words, rounds=1 if quick else 3)]
        return table(("what", "p50 ms", "p95 ms", "x plain query, p50"), rows)


def _folder_write(root: Path, words: list[str], count: int) -> None:
    made = random.Random(2)
    for n in range(count):
        folder = root / f"collection{n % 4}" / f"part{n % 100}"
        folder.mkdir(parents=True, exist_ok=True)
        sections = [
            f"## {text_of(made, words, 3)}\n\n{text_of(made, words, 120)}\n" for _ in range(3)
        ]
        (folder / f"{n}.md").write_text(
            "\n".join([f"# {text_of(made, words, 4)}\n\n{text_of(made, words, 80)}\n", *sections])
        )


def _indexing(count: int) -> Iterator[list[str]]:
    from django.conf import settings

    from memory.knowledge.watch import FolderWatch
    from memory.services.knowledge_index import knowledge_refresh

    began = time.perf_counter()
    assert knowledge_refresh().read == count
    took = time.perf_counter() - began
    yield [f"indexing {count:,} documents, each", f"{took * 1000 / count:.1f}", "", ""]
    nothing = [_timed(knowledge_refresh) for _ in range(10)]
    yield ["the job while nothing changed", f"{median(nothing):.1f}", _p95(nothing), ""]
    looks = []
    for _ in range(20):
        looking = FolderWatch()
        looks.append(_timed(lambda looking=looking: looking.has_changed(settings.KNOWLEDGE_ROOT)))
    yield ["one look at the folder", f"{median(looks):.1f}", _p95(looks), ""]


def _searching(words: list[str], rounds: int) -> Iterator[list[str]]:
    from memory.knowledge.meaning import Meaning
    from memory.selectors.knowledge_search import knowledge_search

    made = random.Random(3)
    _vectors_make()

    def by_words(query: str) -> Any:
        return knowledge_search(query=query, collection=None, top_k=5, names=["*"], meaning=None)

    # Made before they are asked for: what a question costs its model is not measured here.
    meanings = [Meaning([made.gauss(0, 1) for _ in range(1536)], "m") for _ in range(SEARCHES)]

    def by_both(query: str) -> Any:
        return knowledge_search(
            query=query,
            collection="collection1",
            top_k=5,
            names=["*"],
            meaning=made.choice(meanings),
        )

    kinds: dict[str, tuple[Callable[[str], Any], Callable[[], str]]] = {
        "rare words": (by_words, lambda: _some(made, words[2_000:], 2)),
        "ordinary words": (by_words, lambda: text_of(made, words, 3)),
        "the most frequent words": (by_words, lambda: _some(made, words[:20], 2)),
        "one word, hardly begun": (by_words, lambda: made.choice(words)[:3]),
        "words and meaning, one collection": (by_both, lambda: text_of(made, words, 3)),
    }
    figures: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in kinds}
    for _ in range(rounds):
        for name, (search, ask) in kinds.items():
            for query in [ask() for _ in range(SEARCHES)]:
                ours, plain = figures[name]
                plain.append(_timed(lambda query=query: _plain(query)))
                ours.append(_timed(lambda query=query, search=search: search(query)))
    for name, (ours, plain) in figures.items():
        ratio = median(ours) / median(plain)
        yield [f"search: {name}", f"{median(ours):.1f}", _p95(ours), f"{ratio:.1f}"]
    every = [took for ours, _ in figures.values() for took in ours]
    verdict = "yes" if float(_p95(every)) <= GOAL_P95_MS else "NO"
    name = f"all searches; goal p95 <= {GOAL_P95_MS:g}: {verdict}"
    yield [name, f"{median(every):.1f}", _p95(every), ""]


def _some(made: random.Random, words: list[str], count: int) -> str:
    return " ".join(made.choice(words) for _ in range(count))


def _vectors_make() -> None:
    """Every piece has a random vector, made by the database; their index is built at once."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_indexdef('knowledge_chunks_meaning'::regclass)")
        (definition,) = cursor.fetchone()
        cursor.execute("DROP INDEX knowledge_chunks_meaning")
        cursor.execute(
            "UPDATE knowledge_chunks AS k SET embedding_model = 'm', embedding ="
            " ARRAY(SELECT random() - 0.5 + 0 * k.id FROM generate_series(1, 1536))::vector"
        )
        # Built by one process in memory; on disk it would take ten times as long.
        cursor.execute("SET maintenance_work_mem = '512MB'")
        cursor.execute("SET max_parallel_maintenance_workers = 0")
        cursor.execute(definition)
        cursor.execute("VACUUM ANALYZE knowledge_chunks")


def _plain(query: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(_PLAIN, [query, query])
        cursor.fetchall()


def _timed(call: Callable[[], Any]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


def _p95(values: list[float]) -> str:
    return f"{quantiles(values, n=20)[-1]:.1f}"
