from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from standardwebhooks.webhooks import Webhook

from agents_cfg.models import Secret
from agents_cfg.services.secrets import secret_save
from orchestration.models import Approval, FlowCall, Run
from orchestration.services.flow_resume import flow_resume
from orchestration.targets.flows import FlowTarget
from orchestration.tools import flows
from orchestration.tools.flows import CallAttempt, CallContext, FlowAnswer, flow_call
from taskmapr.core.errors import (
    CircuitOpen,
    NotAllowed,
    NotConfigured,
    OutcomeUnknown,
    TaskMaprError,
    TimedOut,
    UpstreamError,
)
from taskmapr.foundation.http import breakers
from taskmapr.foundation.http.breaker_states import circuits_now
from taskmapr.foundation.http.retries import RetryPolicy
from tests.flowengine import HANG, RESET_READ, RESET_UNREAD, FlowEngine, Reply, playing
from tests.orchestration.conftest import StartRun


@pytest.fixture(autouse=True)
def quick(settings: Any, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Databases inside the test's transaction, a Redis of its own, and pauses of no length."""
    settings.TASKMAPR_AIO_INLINE = True
    monkeypatch.setattr(flows, "_RETRIES", RetryPolicy(base_s=0.0))
    breakers.forget()
    yield
    breakers.forget()


@pytest.fixture
def run(start: StartRun) -> Run:
    return start()


class Calling:
    """Calls the workflow of one run, and hears what failed."""

    def __init__(self, run: Run, settings: Any) -> None:
        self.run = run
        self.settings = settings
        self.failed: list[CallAttempt] = []
        self.left_s = 60.0

    async def __call__(
        self, engine: FlowEngine, flow: FlowTarget | None = None, **changes: Any
    ) -> FlowAnswer:
        self.settings.TASKMAPR = {
            **self.settings.TASKMAPR,
            "n8n_base": engine.base,
            "n8n_auth_token": "t0ken",
            "activepieces_base": engine.base,
        }
        ctx = CallContext(
            deadline_at=datetime.now(UTC) + timedelta(seconds=self.left_s),
            attempt_failed=self.failed.append,
        )
        return await flow_call(
            flow or FlowTarget(**{"engine": "n8n", "timeout_s": 30.0, **changes}),
            job_id=f"job_{self.run.pk.hex}",
            intent="gmail.triage",
            inputs={"since": "24h"},
            context={"trace_id": "t1"},
            user_id=str(self.run.owner_id),
            ctx=ctx,
        )

    async def fails(self, engine: FlowEngine, **changes: Any) -> TaskMaprError:
        try:
            answer = await self(engine, **changes)
        except TaskMaprError as error:
            return error
        raise AssertionError(f"it answered {answer}")


@pytest.fixture
def calling(run: Run, settings: Any) -> Calling:
    return Calling(run, settings)


@pytest.mark.req("IN-22", "IN-23")
async def test_sends_what_the_workflow_needs(calling: Calling) -> None:
    async with playing(Reply({"classified": 30})) as engine:
        answer = await calling(engine)

    sent = engine.requests[0]
    job_id = f"job_{calling.run.pk.hex}"
    assert answer == FlowAnswer(result={"classified": 30})
    assert (sent.method, sent.path) == ("POST", "/webhook/gmail-triage")
    assert sent.headers["x-n8n-auth"] == "t0ken"
    assert sent.headers["x-taskmapr-job-id"] == sent.headers["idempotency-key"] == job_id
    callback_url = sent.body.pop("callback_url")
    assert sent.body == {
        "intent": "gmail.triage",
        "inputs": {"since": "24h"},
        "context": {"trace_id": "t1"},
        "job_id": job_id,
        "user_id": str(calling.run.owner_id),
    }
    assert f"/jobs/{job_id}/resume?token=" in callback_url


@pytest.mark.req("IN-23", "IN-40")
async def test_signs_each_attempt(calling: Calling, settings: Any) -> None:
    secret = "whsec_" + base64.b64encode(b"x" * 32).decode()
    settings.TASKMAPR = {**settings.TASKMAPR, "webhook_secret": secret}
    async with playing(Reply(status=429), Reply({"ok": 1})) as engine:
        await calling(engine)

    for sent in engine.requests:
        assert Webhook(secret).verify(sent.raw, sent.headers) == sent.body
    assert len({sent.headers["webhook-id"] for sent in engine.requests}) == 1


@pytest.mark.req("IN-25")
@pytest.mark.parametrize(
    ("reply", "result"),
    [
        (Reply([1, 2]), [1, 2]),
        (Reply(b'"x"', kind="application/vnd.api+json; charset=utf-8"), "x"),
        (Reply("Grüße".encode(), kind="text/plain"), {"text": "Grüße"}),
        (Reply(b"", kind="", status=204), {"text": ""}),
        (Reply({"accepted": "yes"}), {"accepted": "yes"}),
    ],
)
async def test_reads_json_and_text(calling: Calling, reply: Reply, result: Any) -> None:
    async with playing(reply) as engine:
        assert (await calling(engine)).result == result


@pytest.mark.req("IN-25", "IN-30")
@pytest.mark.parametrize("status", [400, 401, 404, 422])
async def test_a_refusal_is_not_repeated(calling: Calling, status: int) -> None:
    async with playing(Reply(status=status)) as engine:
        error = await calling.fails(engine, is_retry_safe=True)

    assert type(error) is UpstreamError
    assert error.details == {"status": status}
    assert engine.connections == 1
    assert circuits_now() == []


@pytest.mark.req("IN-25", "IN-30")
@pytest.mark.parametrize("status", [408, 425, 429])
async def test_a_refusal_for_now_is_repeated(calling: Calling, status: int) -> None:
    async with playing(Reply(status=status), Reply({"ok": 1})) as engine:
        answer = await calling(engine)

    assert answer.result == {"ok": 1}
    first, second = engine.requests
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert [(a.number, a.error.code, a.delay_s is None) for a in calling.failed] == [
        (1, "upstream_error", False)
    ]
    assert circuits_now() == []


@pytest.mark.req("IN-30")
async def test_waits_as_long_as_the_engine_asks(calling: Calling) -> None:
    calling.left_s = 20
    async with playing(Reply(status=429, headers={"Retry-After": "60"})) as engine:
        error = await calling.fails(engine)

    assert isinstance(error, UpstreamError)
    assert engine.connections == 1, "the next attempt would begin after the deadline"


@pytest.mark.req("IN-25", "IN-30")
async def test_a_failure_of_the_engine_is_repeated_only_where_that_is_safe(
    calling: Calling,
) -> None:
    async with playing(Reply(status=500)) as engine:
        assert isinstance(await calling.fails(engine), UpstreamError)
        assert engine.connections == 1

        assert isinstance(await calling.fails(engine, is_retry_safe=True), UpstreamError)
        assert engine.connections == 4

    assert [attempt.number for attempt in calling.failed] == [1, 1, 2, 3]
    assert calling.failed[-1].delay_s is None


@pytest.mark.req("IN-25")
@pytest.mark.parametrize("ending", [RESET_READ, RESET_UNREAD])
async def test_a_connection_that_broke_is_not_repeated_by_itself(
    calling: Calling, ending: str
) -> None:
    async with playing(ending, Reply({"ok": 1})) as engine:
        error = await calling.fails(engine)

        assert "unknown" in error.detail
        assert engine.connections == 1


@pytest.mark.req("IN-25")
async def test_a_connection_that_broke_is_repeated_where_that_is_safe(calling: Calling) -> None:
    async with playing(RESET_READ, RESET_UNREAD, Reply({"ok": 1})) as engine:
        answer = await calling(engine, is_retry_safe=True)

    assert answer.result == {"ok": 1}
    assert engine.connections == 3


@pytest.mark.req("IN-25", "IN-30")
async def test_what_nobody_received_is_repeated(calling: Calling) -> None:
    engine = FlowEngine([])
    engine.port = 1  # nothing listens there

    error = await calling.fails(engine)

    assert isinstance(error, UpstreamError)
    assert [attempt.number for attempt in calling.failed] == [1, 2, 3]


@pytest.mark.req("IN-25")
async def test_gives_up_after_the_time_of_the_flow(calling: Calling) -> None:
    async with playing(HANG) as engine:
        error = await calling.fails(engine, timeout_s=0.3, is_retry_safe=True)

    assert isinstance(error, TimedOut)
    assert engine.connections == 1


@pytest.mark.req("IN-25", "IN-30")
async def test_gives_up_when_the_run_has_no_time_left(calling: Calling) -> None:
    calling.left_s = 0.3
    async with playing(Reply({"ok": 1}, delay_s=20)) as engine:
        assert isinstance(await calling.fails(engine), TimedOut)


@pytest.mark.req("IN-25")
async def test_reads_no_more_than_five_mebibytes(calling: Calling) -> None:
    whole = Reply(b"x" * 5 * 1024 * 1024, kind="text/plain")
    more = Reply(b"x" * (5 * 1024 * 1024 + 1), kind="text/plain")
    async with playing(more, whole) as engine:
        assert "5 MiB" in (await calling.fails(engine)).detail

        answer = await calling(engine)

    assert len(answer.result["text"]) == 5 * 1024 * 1024


@pytest.mark.req("IN-44")
async def test_follows_no_redirect(calling: Calling) -> None:
    async with playing(Reply({"stolen": True})) as elsewhere:
        away = {"Location": f"{elsewhere.base}/gmail-triage"}
        async with playing(Reply(status=307, headers=away)) as engine:
            error = await calling.fails(engine, is_retry_safe=True)

    assert "Redirects" in error.detail
    assert elsewhere.connections == 0
    assert engine.connections == 1


async def test_json_that_is_none_is_an_error(calling: Calling) -> None:
    async with playing(Reply(b"{oh")) as engine:
        assert isinstance(await calling.fails(engine), UpstreamError)


@pytest.mark.req("IN-31")
async def test_an_engine_that_fails_five_times_is_left_alone(calling: Calling) -> None:
    async with playing(Reply(status=500)) as engine:
        for _ in range(5):
            assert isinstance(await calling.fails(engine), UpstreamError)
        clock = asyncio.get_running_loop().time
        began = clock()

        error = await calling.fails(engine)

        assert clock() - began < 0.1
    assert isinstance(error, CircuitOpen)
    assert int(error.headers["Retry-After"]) in range(1, 31)
    assert engine.connections == 5
    assert [(c.service, c.state) for c in circuits_now()] == [("flow:n8n", "open")]


@pytest.mark.req("IN-24")
async def test_nothing_is_sent_without_a_configured_engine(calling: Calling, settings: Any) -> None:
    engine = FlowEngine([])
    with pytest.raises(NotConfigured):
        await calling(engine, FlowTarget(engine="http", place="https://u:p@example.com/"))

    assert not await sync_to_async(FlowCall.objects.exists)()


@pytest.mark.req("IN-23")
async def test_a_mapping_s_own_secret_is_sent(calling: Calling) -> None:
    await sync_to_async(secret_save)(secret=Secret(name="crm.key", value="s3cret"), by="root")
    async with playing(Reply({})) as engine:
        await calling(
            engine,
            FlowTarget(
                engine="http",
                place=f"{engine.base}/x",
                auth_header="X-Key",
                secret="crm.key",
                method="PUT",
            ),
        )

    assert engine.requests[0].headers["x-key"] == "s3cret"
    assert "x-n8n-auth" not in engine.requests[0].headers
    assert (engine.requests[0].method, engine.requests[0].path) == ("PUT", "/webhook/x")


async def test_a_secret_that_is_missing_sends_nothing(calling: Calling) -> None:
    async with playing(Reply({})) as engine:
        flow = FlowTarget(engine="http", place=engine.base, secret="nosuch")
        with pytest.raises(NotConfigured, match="nosuch"):
            await calling(engine, flow)

    assert engine.connections == 0
    assert not await sync_to_async(FlowCall.objects.exists)()


# Answers that come later -------------------------------------------------------------------------


def token_of(engine: FlowEngine) -> str:
    return engine.requests[-1].body["callback_url"].partition("token=")[2]


@pytest.mark.req("IN-25")
@pytest.mark.parametrize(
    ("reply", "changes"),
    [
        (Reply({"accepted": True}), {}),
        (Reply({"anything": 1}), {"is_synchronous": False}),
        (Reply(b"Workflow was started", kind="text/plain"), {"is_synchronous": False}),
    ],
)
async def test_waits_for_an_answer_that_comes_later(
    calling: Calling, reply: Reply, changes: dict[str, Any]
) -> None:
    async with playing(reply) as engine:
        first = await calling(engine, **changes)
        assert first.wait is not None
        assert first.wait.event().of == "flow"
        again = await calling(engine, **changes)
        assert again.wait == first.wait

        await sync_to_async(flow_resume)(
            run_id=calling.run.pk, answer={"done": 7}, token=token_of(engine)
        )
        last = await calling(engine, **changes)

    assert last == FlowAnswer(result={"done": 7})
    assert engine.connections == 1
    approval = await sync_to_async(Approval.objects.get)()
    assert (approval.status, approval.resolved_by) == ("answered", "flow")


@pytest.mark.req("IN-25")
async def test_an_answer_that_was_faster_than_its_own_acceptance_counts(calling: Calling) -> None:
    async with playing(Reply({"accepted": True}, delay_s=0.2)) as engine:
        call = asyncio.ensure_future(calling(engine))
        async with asyncio.timeout(10):
            while not engine.requests:
                await asyncio.sleep(0.01)
        await sync_to_async(flow_resume)(run_id=calling.run.pk, answer=[1], token=token_of(engine))

        assert await call == FlowAnswer(result=[1])


@pytest.mark.req("IN-25")
async def test_nobody_s_answer_in_time_is_a_timeout(calling: Calling) -> None:
    async with playing(Reply({"accepted": True})) as engine:
        assert (await calling(engine)).wait is not None
        await sync_to_async(_let_time_pass)(calling.run)

        assert isinstance(await calling.fails(engine), TimedOut)
        late: Callable[..., Any] = sync_to_async(flow_resume)
        with pytest.raises(NotAllowed):
            await late(run_id=calling.run.pk, answer={}, token=token_of(engine))


def _let_time_pass(run: Run) -> None:
    FlowCall.objects.filter(pk=run.pk).update(expires_at=datetime.now(UTC) - timedelta(seconds=1))


async def test_a_call_whose_worker_was_lost_is_not_repeated_by_itself(calling: Calling) -> None:
    async with playing(RESET_READ, Reply({"ok": 1})) as engine:
        await calling.fails(engine)

        assert isinstance(await calling.fails(engine), OutcomeUnknown)
        assert engine.connections == 1


async def test_a_call_whose_worker_was_lost_is_repeated_where_that_is_safe(
    calling: Calling,
) -> None:
    async with playing(RESET_READ, Reply({"ok": 1})) as engine:
        await calling.fails(engine)
        answer = await calling(engine, is_retry_safe=True)

    assert answer.result == {"ok": 1}
    tokens = {request.body["callback_url"] for request in engine.requests}
    assert len(tokens) == 2
