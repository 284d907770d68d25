"""Which URLs of users may be contacted: names, notations, ports, and what names lead to."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from taskmapr.core.errors import AddressNotAllowed
from taskmapr.foundation.http import guard
from taskmapr.foundation.http.guard import EgressPolicy, address_check

PUBLIC = EgressPolicy()
NAMES = {
    "hooks.example.com": ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"],
    "xn--bcher-kva.example": ["93.184.215.14"],
    "hook_1.example.com": ["93.184.215.14"],
    "half.example.com": ["93.184.215.14", "10.0.0.7"],
    "inside.example.com": ["10.0.0.7"],
    "keys.example.com": ["169.254.169.254"],
    "db": ["172.18.0.3"],
    "hook.internal": ["10.0.0.9"],
    "six.example.com": ["fe80::1%eth0"],
}


def lookup(host: str, port: int) -> list[str]:
    if host not in NAMES:
        raise OSError("unknown")
    return NAMES[host]


ALLOWED = [
    "https://hooks.example.com/",
    "https://hooks.example.com",
    "https://HOOKS.Example.COM/path?x=1#part",
    "https://hooks.example.com./webhook",
    "https://hooks.example.com:443/",
    "https://hooks.example.com:/",
    "https://bücher.example/",
    "https://xn--bcher-kva.example/",
    "https://hook_1.example.com/",
    "https://93.184.215.14/",
    "https://8.8.8.8/",
    "https://[2606:4700:4700::1111]/",
    "https://[::ffff:8.8.8.8]/",
    "https://[64:ff9b::808:808]/",
    "https://[2002:808:808::1]/",
]

REFUSED = [
    # schemes
    "http://hooks.example.com/",
    "ftp://hooks.example.com/",
    "file:///etc/passwd",
    "gopher://hooks.example.com/",
    "//hooks.example.com/",
    "hooks.example.com",
    "https:hooks.example.com",
    "https:///path",
    "",
    # who asks
    "https://user@hooks.example.com/",
    "https://user:word@hooks.example.com/",
    "https://@hooks.example.com/",
    "https://hooks.example.com@10.0.0.1/",
    # ports
    "https://hooks.example.com:80/",
    "https://hooks.example.com:22/",
    "https://hooks.example.com:8443/",
    "https://hooks.example.com:0/",
    "https://hooks.example.com:99999/",
    "https://hooks.example.com:x/",
    # what parsers read differently
    "https://hooks.example.com\\@10.0.0.1/",
    "https://hooks.example.com\t/",
    " https://hooks.example.com/",
    "https://hooks.example.com/\r\nHost: inside",
    "https://hooks.example.com\x00/",
    "https://hooks.example.com\u2028/",
    "https://hooks%2eexample.com/",
    "https://[93.184.215.14]:x/",
    "https://[hooks.example.com]/",
    "https://[::1",
    "https://hooks..example.com/",
    "https://hooks.example.com../",
    "https://.example.com/",
    "https://-hooks.example.com/",
    "https://" + "a" * 64 + ".example.com/",
    "https://hooks.example.com/" + "a" * 2_100,
    # IPv4 that is not public
    "https://127.0.0.1/",
    "https://127.1.2.3/",
    "https://127.0.0.1./",
    "https://0.0.0.0/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.168.1.1/",
    "https://169.254.169.254/",
    "https://169.254.0.1/",
    "https://100.64.0.1/",
    "https://100.127.255.255/",
    "https://192.0.0.8/",
    "https://192.0.2.1/",
    "https://198.18.0.1/",
    "https://198.51.100.1/",
    "https://203.0.113.1/",
    "https://192.88.99.1/",
    "https://224.0.0.1/",
    "https://239.255.255.250/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    # other notations of IPv4, whatever they mean
    "https://2130706433/",
    "https://017700000001/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://127.0.0.01/",
    "https://127.1/",
    "https://0/",
    "https://0x/",
    "https://134744072/",
    "https://8.8.8/",
    "https://8.8.8.8.8/",
    "https://256.8.8.8/",
    "https://\uff11\uff12\uff17.\uff10.\uff10.\uff11/",
    "https://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/",
    "https://127\u30020\u30020\u30021/",
    # IPv6 that is not public
    "https://[::1]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[febf::1]/",
    "https://[fec0::1]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/",
    "https://[ff02::1]/",
    "https://[2001:db8::1]/",
    "https://[3fff::1]/",
    "https://[100::1]/",
    "https://[5f00::1]/",
    # IPv4 within IPv6
    "https://[::ffff:10.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[::127.0.0.1]/",
    "https://[::ffff:0:127.0.0.1]/",
    "https://[2002:7f00:1::]/",
    "https://[2002:a00:1::1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[64:ff9b:1::808:808]/",
    "https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    # names
    "https://localhost/",
    "https://LOCALHOST./",
    "https://a.localhost/",
    "https://printer.local/",
    "https://hook.internal/",
    "https://metadata.google.internal/",
    "https://router.home.arpa/",
    "https://unknown.example.com/",
    "https://inside.example.com/",
    "https://half.example.com/",
    "https://keys.example.com/",
    "https://six.example.com/",
    "https://db/",
]


@pytest.mark.req("IN-43")
@pytest.mark.parametrize("url", ALLOWED)
def test_allows_public_hosts(url: str) -> None:
    assert address_check(url, policy=PUBLIC, lookup=lookup).addresses


@pytest.mark.req("IN-43")
@pytest.mark.parametrize("url", REFUSED)
def test_refuses(url: str) -> None:
    with pytest.raises(AddressNotAllowed):
        address_check(url, policy=PUBLIC, lookup=lookup)


HOOKS, INSIDE = "hooks.example.com", "inside.example.com"


@pytest.mark.req("IN-43")
@pytest.mark.parametrize(
    ("allowed", "over_http", "url", "is_allowed"),
    [
        # a list restricts ...
        ([HOOKS], [], f"https://{HOOKS}/", True),
        ([HOOKS], [], "https://hook_1.example.com/", False),
        (["*.example.com"], [], "https://hook_1.example.com/", True),
        (["*.example.com"], [], "https://example.com.evil.example/", False),
        (["*.example.com"], [], f"https://{INSIDE}/", False),
        (["*.example.com"], [], "https://8.8.8.8/", False),
        (["8.8.8.0/24"], [], "https://8.8.8.8/", True),
        (["8.8.8.0/24"], [], f"https://{HOOKS}/", False),
        # ... unless it says everything
        (["*", "10.0.0.0/8"], [], f"https://{HOOKS}/", True),
        (["*", "10.0.0.0/8"], [], f"https://{INSIDE}/", True),
        (["*"], [], f"https://{INSIDE}/", False),
        (["*"], [], "https://127.0.0.1/", False),
        # what is named may be private
        ([INSIDE], [], f"https://{INSIDE}/", True),
        (["db"], [], "https://db/", True),
        (["hook.internal"], [], "https://hook.internal/", True),
        (["*.internal"], [], "https://hook.internal/", False),
        (["10.0.0.0/8"], [], "https://10.0.0.1/", True),
        (["10.0.0.0/8"], [], "https://[::ffff:10.0.0.1]/", True),
        (["10.0.0.0/8"], [], f"https://{INSIDE}/", True),
        (["10.0.0.0/8"], [], "https://half.example.com/", False),
        (["10.0.0.0/8"], [], "https://[64:ff9b::a00:1]/", False),
        (["10.0.0.0/8"], [], "https://192.168.0.1/", False),
        (["fd00::/8"], [], "https://[fd12::1]/", True),
        # ... but a name does not open the cloud's keys
        (["keys.example.com"], [], "https://keys.example.com/", False),
        (["169.254.169.254"], [], "https://keys.example.com/", True),
        # plain http
        ([], [HOOKS], f"http://{HOOKS}/", True),
        ([], [HOOKS], "http://hook_1.example.com/", False),
        ([], [HOOKS], f"http://{HOOKS}:8080/", False),
        ([], [f"{HOOKS}:8080"], f"http://{HOOKS}:8080/", True),
        ([], [f"{HOOKS}:8080"], f"https://{HOOKS}/", True),
        ([], [INSIDE], f"http://{INSIDE}/", False),
        ([INSIDE], [INSIDE], f"http://{INSIDE}/", True),
        (["127.0.0.1"], [], "http://127.0.0.1/", False),
        (["127.0.0.1"], ["127.0.0.1"], "http://127.0.0.1/", True),
        (["127.0.0.1"], ["127.0.0.1"], "http://127.0.0.1:6379/", False),
        # ports
        (["127.0.0.1:*"], ["127.0.0.1"], "http://127.0.0.1:6379/", True),
        (["127.0.0.1"], ["127.0.0.1:9000"], "http://127.0.0.1:9000/", True),
        ([f"{HOOKS}:8443"], [], f"https://{HOOKS}:8443/", True),
        ([f"{HOOKS}:8443"], [], f"https://{HOOKS}/", False),
        ([f"{HOOKS}:8443", HOOKS], [], f"https://{HOOKS}/", True),
        (["10.0.0.0/8:8443"], [], f"https://{INSIDE}:8443/", True),
        (["10.0.0.0/8:8443"], [], f"https://{HOOKS}:8443/", False),
        (["[fd00::/8]:8443"], [], "https://[fd12::1]:8443/", True),
        (["[fd00::/8]:8443"], [], "https://[fd12::1]:8444/", False),
        (["*:8443"], [], f"https://{HOOKS}:8443/", True),
        (["*:8443"], [], f"https://{INSIDE}:8443/", False),
    ],
)
def test_lists_restrict_and_permit(
    allowed: list[str], over_http: list[str], url: str, is_allowed: bool
) -> None:
    policy = EgressPolicy.of(allowed, over_http)

    if is_allowed:
        address_check(url, policy=policy, lookup=lookup)
    else:
        with pytest.raises(AddressNotAllowed):
            address_check(url, policy=policy, lookup=lookup)


@pytest.mark.req("IN-43")
@pytest.mark.parametrize(
    "entry", ["10.0.0.1/8", "fd00::zz", "a b", "host:port", "host:0", "host:70000", "-x", "[::1]:y"]
)
def test_refuses_entries_that_mean_nothing(entry: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the settings put the name in front
        EgressPolicy.of([entry])


def test_says_nothing_of_what_a_name_leads_to() -> None:
    with pytest.raises(AddressNotAllowed) as refusal:
        address_check("https://inside.example.com/", policy=PUBLIC, lookup=lookup)

    assert "10.0.0.7" not in refusal.value.detail


@pytest.mark.req("IN-43")
def test_a_lookup_that_nobody_waits_for_any_more_is_not_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer, asked = threading.Event(), []

    def hanging(host: str, port: int) -> list[str]:
        asked.append(host)
        answer.wait(20)
        return ["93.184.215.14"]

    monkeypatch.setattr(guard, "system_lookup", hanging)
    monkeypatch.setattr(guard, "LOOKUP_S", 0.05)
    with ThreadPoolExecutor(1) as one:
        monkeypatch.setattr(guard, "_lookups", one)
        for name in ("slow", "late", "later"):
            with pytest.raises(AddressNotAllowed):
                address_check(f"https://{name}.example/", policy=EgressPolicy())
        answer.set()

    assert asked == ["slow.example"]


def test_keeps_the_path_encoded_once() -> None:
    checked = address_check("https://8.8.8.8/a%2Fb c/ü?q=ä&r=%20".replace(" ", "+"), policy=PUBLIC)

    assert checked.target.path == "/a%2Fb+c/%C3%BC?q=%C3%A4&r=%20"
