"""The scripted model server: an OpenAI-compatible endpoint whose answers a test decides.

POST /v1/chat/completions   the model; the model's name or a queued script says what it answers
POST /v1/embeddings         vectors of texts; the model's name says how (see embeddings.py)
GET  /v1/models             the names that were scripted
POST /script                {"model": name, "answers": [Answer as JSON, ...]}: used once each
GET  /requests              what was asked so far, oldest first, and how each answer ended
POST /release               {"model": name, "portions": n}: what this model holds back goes on, n
                            times (null: from now on nothing is held)
POST /reset                 forgets scripts and requests, and releases every model
"""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict, deque
from typing import Any

from tests.modelserver.embeddings import embeddings_reply
from tests.modelserver.http import Connection, Exchange, Gate, Reply, json_reply
from tests.modelserver.script import Answer, answer_named, reply_for

_REMEMBERED = 2_000


class ModelServer:
    """State of one server. Runs on one event loop."""

    def __init__(self) -> None:
        self._scripts: defaultdict[str, deque[Answer]] = defaultdict(deque)
        self._asked: deque[Exchange] = deque(maxlen=_REMEMBERED)
        self._gates: defaultdict[str, Gate] = defaultdict(Gate)

    async def listen(self, host: str, port: int) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: Connection(self.handle), host, port, backlog=1024)

    def handle(self, exchange: Exchange) -> Reply:
        match exchange.method, exchange.path:
            case "POST", "/v1/chat/completions":
                return self._complete(exchange)
            case "POST", "/v1/embeddings":
                self._asked.append(exchange)
                return embeddings_reply(exchange.body)
            case "GET", "/v1/models":
                names = [{"id": name, "object": "model"} for name in self._scripts]
                return json_reply({"object": "list", "data": names})
            case "POST", "/script":
                return self._script(exchange.body)
            case "GET", "/requests":
                return json_reply([asked.as_json() for asked in self._asked])
            case "POST", "/release":
                return self._release(exchange.body)
            case "POST", "/reset":
                return self._reset()
        return json_reply({"error": {"message": "no such path", "code": "not_found"}}, 404)

    def _script(self, body: dict[str, Any]) -> Reply:
        try:
            answers = [Answer.of(item) for item in body["answers"]]
        except (KeyError, TypeError, ValueError) as error:
            return json_reply({"error": {"message": str(error)}}, 422)
        self._scripts[body["model"]].extend(answers)
        return json_reply({"queued": len(self._scripts[body["model"]])})

    def _release(self, body: dict[str, Any]) -> Reply:
        portions: int | None = body["portions"]
        self._gates[body["model"]].open(math.inf if portions is None else portions)
        return json_reply({})

    def _reset(self) -> Reply:
        self._scripts.clear()
        self._asked.clear()
        for gate in self._gates.values():
            gate.open()
        self._gates.clear()
        return json_reply({})

    def _complete(self, exchange: Exchange) -> Reply:
        self._asked.append(exchange)
        body = exchange.body
        model, stream = body["model"], bool(body.get("stream"))
        answer, gate = self._answer(model, body), self._gates[model]
        return reply_for(answer, model, stream=stream, parameters=list(body), gate=gate)

    def _answer(self, model: str, body: dict[str, Any]) -> Answer:
        queue = self._scripts.get(model)
        if queue:
            # A refusal of parameters stays in place until a request comes without them.
            if any(name in body for name in queue[0].refuse_parameters):
                return queue[0]
            return queue.popleft()
        messages = body.get("messages", [])
        asked = [m.get("content") or "" for m in messages if m.get("role") == "user"]
        has_result = bool(messages) and messages[-1].get("role") == "tool"
        return answer_named(model, str(asked[-1]) if asked else "", has_tool_result=has_result)
