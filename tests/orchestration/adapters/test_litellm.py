"""The LiteLLM adapter, by the same contract."""

from __future__ import annotations

import pytest

from orchestration.adapters.litellm import LiteLLMModel
from taskmapr.core.ports import ModelPort
from tests.modelserver.process import ScriptedServer
from tests.orchestration.adapters.conformance import ModelPortConformance

pytestmark = [
    pytest.mark.anyio,
    # LiteLLM leaves clients and log tasks to the garbage collector.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture
def model() -> LiteLLMModel:
    return LiteLLMModel()


class TestLiteLLMModel(ModelPortConformance):
    adapter = "litellm"

    async def test_gives_a_refusal_as_text(self, model: ModelPort, server: ScriptedServer) -> None:
        """LiteLLM drops a chunk that holds a refusal only: the turn ends with no text."""
        response, heard = await self.ask(model, server, "refuse")
        assert (response.text, heard.said) == ("", [])

    async def test_a_provider_that_nobody_knows_is_a_refused_request(
        self, model: ModelPort, server: ScriptedServer
    ) -> None:
        self.prefix = "nonsense/"
        failure, _ = await self.fail(model, server, "echo")
        assert failure.code == "llm_request_refused"
