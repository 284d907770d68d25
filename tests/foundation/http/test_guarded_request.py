"""One request to a checked address: what is sent, what is followed, what is connected to."""

from __future__ import annotations

import datetime
import os
import ssl
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from taskmapr.core.errors import AddressNotAllowed, TimedOut, UpstreamError
from taskmapr.foundation.http.exchange import guarded_request
from taskmapr.foundation.http.guard import EgressPolicy
from tests.receiver import Receiver, Reply, receiving

HERE = EgressPolicy.of(["127.0.0.1:*"], ["127.0.0.1", "hooks.example.com"])


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


class Names:
    """A name server that gives its answers in order, the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def test_sends_the_request_and_reads_the_answer(receiver: Receiver) -> None:
    receiver.replies = [Reply(status=201, body=b"{}", headers={"X-Kind": "test"})]

    answer = await guarded_request(
        "PUT",
        receiver.url("/a%2Fb?c=d"),
        policy=HERE,
        deadline_s=10,
        headers={"X-Ours": "1"},
        body=b"payload",
    )

    assert (answer.status, answer.body, answer.is_cut) == (201, b"{}", False)
    assert answer.headers["x-kind"] == "test"
    (request,) = receiver.received
    assert (request.method, request.path, request.body) == ("PUT", "/a%2Fb?c=d", b"payload")
    assert request.headers["x-ours"] == "1"
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"


@pytest.mark.req("IN-42")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_follows_no_redirect(receiver: Receiver, status: int) -> None:
    receiver.replies = [Reply(status=status, headers={"Location": receiver.url("/elsewhere")})]

    answer = await guarded_request("POST", receiver.url(), policy=HERE, deadline_s=10, body=b"x")

    assert answer.status == status
    assert [request.path for request in receiver.received] == ["/hook"]


@pytest.mark.req("IN-42")
async def test_reads_no_more_than_it_is_told(receiver: Receiver) -> None:
    receiver.replies = [Reply(body=b"a" * 300_000)]

    cut = await guarded_request("GET", receiver.url(), policy=HERE, deadline_s=10)
    whole = await guarded_request(
        "GET", receiver.url(), policy=HERE, deadline_s=10, answer_bytes=300_000
    )

    assert (len(cut.body), cut.is_cut) == (65_536, True)
    assert (len(whole.body), whole.is_cut) == (300_000, False)


@pytest.mark.req("IN-42")
async def test_sends_neither_credentials_nor_cookies_and_uses_no_proxy(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ada password word\n")
    netrc.chmod(0o600)
    monkeypatch.setitem(os.environ, "NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setitem(os.environ, name, "http://127.0.0.1:9")
    receiver.replies = [Reply(headers={"Set-Cookie": "a=b; Path=/"})]

    for _ in range(2):
        await guarded_request("GET", receiver.url(), policy=HERE, deadline_s=10)

    assert len(receiver.received) == 2
    for request in receiver.received:
        assert "cookie" not in request.headers
        assert "authorization" not in request.headers
        assert "proxy-connection" not in request.headers


@pytest.mark.req("IN-43")
async def test_connects_to_nothing_that_is_not_allowed(receiver: Receiver) -> None:
    with pytest.raises(AddressNotAllowed):
        await guarded_request("GET", receiver.url(), policy=EgressPolicy(), deadline_s=10)

    assert receiver.received == []


@pytest.mark.req("IN-43")
async def test_refuses_a_name_that_has_moved_to_this_machine(receiver: Receiver) -> None:
    policy = EgressPolicy.of([], [f"hooks.example.com:{receiver.port}"])
    names = Names(["127.0.0.1"])

    with pytest.raises(AddressNotAllowed):
        await guarded_request(
            "GET",
            receiver.url(host="hooks.example.com"),
            policy=policy,
            deadline_s=10,
            lookup=names,
        )

    assert receiver.received == []
    assert names.asked == ["hooks.example.com"]


@pytest.mark.req("IN-43")
async def test_looks_up_once_and_connects_to_what_was_checked(receiver: Receiver) -> None:
    # A second look-up would lead to an address where nobody listens, and then be refused.
    names = Names(["127.0.0.1"], ["10.0.0.1"])

    answer = await guarded_request(
        "GET",
        receiver.url(host="hooks.example.com"),
        policy=HERE,
        deadline_s=10,
        lookup=names,
    )

    assert answer.status == 200
    assert names.asked == ["hooks.example.com"]
    assert receiver.received[0].headers["host"] == f"hooks.example.com:{receiver.port}"


@pytest.mark.req("IN-43")
async def test_one_bad_address_among_good_ones_refuses_all(receiver: Receiver) -> None:
    with pytest.raises(AddressNotAllowed):
        await guarded_request(
            "GET",
            receiver.url(host="hooks.example.com"),
            policy=HERE,
            deadline_s=10,
            lookup=Names(["127.0.0.1", "10.0.0.1"]),
        )

    assert receiver.received == []


@pytest.mark.req("IN-41")
async def test_gives_up_when_the_time_is_over(receiver: Receiver) -> None:
    release = threading.Event()
    receiver.replies = [Reply(until=release)]

    with pytest.raises(TimedOut) as late:
        await guarded_request("GET", receiver.url(), policy=HERE, deadline_s=0.3)

    assert late.value.details["sent"] is True
    release.set()


async def test_says_when_nothing_was_sent() -> None:
    with receiving() as gone:
        url = gone.url()

    with pytest.raises(UpstreamError) as failure:
        await guarded_request("GET", url, policy=HERE, deadline_s=10)

    assert failure.value.details["sent"] is False


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for hooks.example.com, with its key, that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hooks.example.com")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.example.com")]), False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "pair.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@pytest.mark.req("IN-43")
async def test_verifies_the_certificate_for_the_name(certificate: Path) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=str(certificate))
    with receiving(server) as receiver:
        policy = EgressPolicy.of(["127.0.0.1:*"])

        async def ask(host: str, tls: ssl.SSLContext | None) -> int:
            answer = await guarded_request(
                "GET",
                receiver.url(host=host, scheme="https"),
                policy=policy,
                deadline_s=10,
                lookup=Names(["127.0.0.1"]),
                tls=tls,
            )
            return answer.status

        assert await ask("hooks.example.com", trusting) == 200
        with pytest.raises(UpstreamError, match="does not fit"):
            await ask("other.example.com", trusting)
        with pytest.raises(UpstreamError) as untrusted:
            await ask("hooks.example.com", None)

        assert untrusted.value.details["sent"] is False
        assert len(receiver.received) == 1
