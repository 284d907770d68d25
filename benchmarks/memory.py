"""What remembering and finding costs for a user with 10,000 items, among other users' items.

`python -m benchmarks --only memory`. Starts a PostgreSQL of its own, writes made-up texts through
the tool, and measures writes, reads, and searches by words, by meaning and by both.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median, quantiles
from typing import Any, Final
from uuid import UUID

from benchmarks.report import table
from benchmarks.scratch import made_up_words, scratch_database, text_of

ITEMS: Final = 10_000
#: Items of other users, a hundred each.
OTHERS: Final = 10_000
#: Words of a text.
LENGTH: Final = 30
SEARCHES: Final = 200
#: Of a search by words over ITEMS items, and of one write.
GOAL_KEYWORD_P95_MS: Final = 30.0
GOAL_WRITE_CPU_MS: Final = 1.0


def main(*, quick: bool) -> str:
    """The figures as Markdown. quick: a tenth of the items, and one round."""
    with scratch_database():
        words = made_up_words()
        items = ITEMS // 10 if quick else ITEMS
        owner = _users_make(1)[0]
        rows = [*_writing(words, owner, items), *_searching(words, owner, 1 if quick else 3)]
        return table(("what", "p50 ms", "p95 ms", "CPU ms, this process"), rows)


def _users_make(count: int) -> list[UUID]:
    from taskmapr.users.models import User

    made = [User.objects.create_user(f"{random.random()}@example.org") for _ in range(count)]
    return [user.pk for user in made]


def _tool(verb: str, owner: UUID) -> Callable[..., Any]:
    """The tool as a run calls it in its own transaction."""
    from orchestration.tools.memory import register
    from taskmapr.core.ids import uuid7
    from taskmapr.core.tools import ToolContext, ToolRegistry

    specs = {spec.name: spec for spec in register(ToolRegistry())}
    context = ToolContext(run_id=str(uuid7()), call_id="c", user_id=str(owner), session_id=None)
    act = specs[f"memory.{verb}"].in_transaction
    assert act is not None
    return lambda **args: act(context, args)


def _writing(words: list[str], owner: UUID, items: int) -> Iterator[list[str]]:
    from django.db import transaction

    made = random.Random(2)
    for other in _users_make(OTHERS // 100):
        write = _tool("write", other)
        for _ in range(100):
            write(text=text_of(made, words, LENGTH))
    write = _tool("write", owner)
    texts = [text_of(made, words, LENGTH) for _ in range(items)]
    writes = [partial(write, text=text, tags=["bench"]) for text in texts]
    with transaction.atomic():
        took, cpu = _timed(writes[: items // 2])
    name = f"write in the caller's transaction, {LENGTH} words and a tag"
    verdict = _verdict(cpu, GOAL_WRITE_CPU_MS)
    yield _row(f"{name}; goal CPU <= {GOAL_WRITE_CPU_MS:g}: {verdict}", took, cpu)
    yield _row("the same with a commit each", *_timed(writes[items // 2 :]))
    long = [text_of(made, words, 4_000)[:32_000] for _ in range(100)]
    with transaction.atomic():
        yield _row("write, 4,000 words", *_timed([partial(write, text=text) for text in long]))
    item_id = write(text="x")["item_id"]
    yield _row("get", *_timed([partial(_tool("get", owner), item_id=item_id)] * 500))


def _searching(words: list[str], owner: UUID, rounds: int) -> Iterator[list[str]]:
    from memory.knowledge.meaning import Meaning
    from memory.selectors.item_search import memory_items_search

    _vectors_make()
    made = random.Random(3)

    meanings = [Meaning([made.gauss(0, 1) for _ in range(1536)], "m") for _ in range(20)]

    def search(mode: Any, query: str) -> Any:
        meaning = None if mode == "keyword" else made.choice(meanings)
        return memory_items_search(user_id=owner, query=query, mode=mode, meaning=meaning)

    kinds: dict[str, tuple[str, Callable[[], str]]] = {
        "keyword: rare words": ("keyword", lambda: _some(made, words[2_000:], 2)),
        "keyword: ordinary words": ("keyword", lambda: text_of(made, words, 3)),
        "keyword: the most frequent words": ("keyword", lambda: _some(made, words[:20], 2)),
        "semantic": ("semantic", lambda: text_of(made, words, 3)),
        "hybrid: ordinary words": ("hybrid", lambda: text_of(made, words, 3)),
    }
    by_words: list[float] = []
    for name, (mode, ask) in kinds.items():
        queries = [ask() for _ in range(SEARCHES * rounds)]
        took, cpu = _timed([partial(search, mode, query) for query in queries])
        by_words += took if mode == "keyword" else []
        yield _row(name, took, cpu)
    verdict = _verdict(_p95(by_words), GOAL_KEYWORD_P95_MS)
    yield _row(f"all by keyword; goal p95 <= {GOAL_KEYWORD_P95_MS:g}: {verdict}", by_words, None)


def _some(made: random.Random, words: list[str], count: int) -> str:
    return " ".join(made.choice(words) for _ in range(count))


def _vectors_make() -> None:
    """Every item has a random vector, made by the database."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE memory_memoryitem AS i SET embedding_model = 'm', embedding ="
            " ARRAY(SELECT random() - 0.5 + 0 * i.size_bytes FROM generate_series(1, 1536))::vector"
        )
        cursor.execute("VACUUM ANALYZE memory_memoryitem")


def _timed(calls: list[Callable[[], Any]]) -> tuple[list[float], float]:
    """Milliseconds that each took, and of CPU in this process on average."""
    took = []
    cpu = time.process_time()
    for call in calls:
        began = time.perf_counter()
        call()
        took.append((time.perf_counter() - began) * 1000)
    return took, (time.process_time() - cpu) * 1000 / len(calls)


def _row(name: str, took: list[float], cpu: float | None) -> list[str]:
    shown = "" if cpu is None else f"{cpu:.2f}"
    return [name, f"{median(took):.1f}", f"{_p95(took):.1f}", shown]


def _p95(values: list[float]) -> float:
    return quantiles(values, n=20)[-1]


def _verdict(value: float, goal: float) -> str:
    return "yes" if value <= goal else "NO"
