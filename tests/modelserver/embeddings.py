"""Vectors that a scripted model gives: texts with the same words lie close together.

The model's name says what is wrong with the answer:

    dims-8           vectors of 8 numbers (dims-3072: of 3,072)    status-401   that HTTP status
    silent           nothing is ever said                          garbled      no JSON
    few              one vector less than was asked for            nan          no numbers
    backwards        the vectors in the opposite order, by index

Any other name gives as many numbers as were asked for, else 1,536. "greeting" means "hello".
"""

from __future__ import annotations

import re
import zlib
from typing import Any

from tests.modelserver.http import Ending, Reply, json_reply


def embeddings_reply(body: dict[str, Any]) -> Reply:
    model: str = body["model"]
    kind, _, rest = model.partition("-")
    if kind == "status":
        return json_reply({"error": {"message": f"sk-secret refused: {body['input']}"}}, int(rest))
    if kind == "silent":
        return Reply(b"", ending=Ending.HANG)
    if kind == "garbled":
        return Reply(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{oops")
    size = int(rest) if kind == "dims" else body.get("dimensions", 1536)
    vectors = [_vector(text, size) for text in body["input"]]
    items: list[dict[str, Any]] = [
        {"object": "embedding", "index": n, "embedding": ["x"] if kind == "nan" else vector}
        for n, vector in enumerate(vectors)
    ]
    if kind == "few":
        items.pop()
    if kind == "backwards":
        items.reverse()
    return json_reply({"object": "list", "model": model, "data": items})


#: Words that mean what another one means.
_MEANS = {"greeting": "hello"}


def _vector(text: str, size: int) -> list[float]:
    """Every word adds to one place; the first place is never empty."""
    vector = [0.0] * size
    vector[0] = 0.1
    for word in re.findall(r"\w+", text.lower()):
        vector[zlib.crc32(_MEANS.get(word, word).encode()) % size] += 1.0
    return vector
