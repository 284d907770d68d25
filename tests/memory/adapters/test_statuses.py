"""Statuses of an embedding model's provider, over HTTP and through LiteLLM."""

from __future__ import annotations

import pytest

from memory.adapters import litellm_embeddings
from memory.adapters.litellm_embeddings import LiteLLMEmbedder
from taskmapr.core.errors import ModelAuthFailed, ModelFailed, ModelRequestRefused


class Failure(Exception):
    def __init__(self, status_code: int | str | None) -> None:
        super().__init__("sk-secret")
        self.status_code = status_code


class Failing:
    """Stands where the library stands."""

    def __init__(self, status: int | str | None) -> None:
        self.status = status

    async def aembedding(self, **_: object) -> None:
        raise Failure(self.status)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, ModelRequestRefused),
        (422, ModelRequestRefused),
        (401, ModelAuthFailed),
        (403, ModelAuthFailed),
        (408, ModelFailed),
        (429, ModelFailed),
        (500, ModelFailed),
        (None, ModelFailed),
        ("400", ModelFailed),
    ],
)
async def test_only_a_request_that_can_never_succeed_counts_as_refused(
    status: int | str | None, expected: type[ModelFailed], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(litellm_embeddings, "_imported", lambda: Failing(status))

    with pytest.raises(ModelFailed) as raised:
        await LiteLLMEmbedder(model="m").embed(["tea"], timeout_s=5)

    assert type(raised.value) is expected
    assert "sk-secret" not in str(raised.value)
