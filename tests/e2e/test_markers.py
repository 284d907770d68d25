"""Words that must stay where they belong, looked for everywhere else."""

from __future__ import annotations

import re
import subprocess
import sys
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from tests.e2e.cast import ADA
from tests.e2e.processes import ROOT
from tests.e2e.stack import Shape, Stack
from tests.e2e.test_secrecy import sealed_run_start

pytestmark = pytest.mark.e2e

PROMPT, ANSWER, PASSWORD = "quagga-prompt", "quagga-answer", "quagga-password"
#: What sealed_run_start asks.
SEALED = ("quetzalprompt", "quetzalelement")

#: A key of Ada's, and a session of somebody who operates the server.
PREPARE = f"""
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from taskmapr.users.models import User
from taskmapr.users.services.api_keys import api_key_issue
print(api_key_issue(user_id="{ADA.id}", name="marked", scopes=["overlay"]).text)
root = User.objects.create_superuser(email="root@example.org", password="a long password")
session = SessionStore()
session[SESSION_KEY] = str(root.pk)
session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
session[HASH_SESSION_KEY] = root.get_session_auth_hash()
session.save()
print(session.session_key)
"""

#: Pages that change something or lead out, and links that only sort and filter.
_NOT_FOLLOWED = re.compile(r"logout|delete|password|/add/|jsi18n|\?|#|export|\.(js|css)")


@pytest.fixture(scope="module")
def shape() -> Shape:
    # Production has its static files collected, which takes longer than the test.
    return Shape(beat=False, env={"ENV": "dev"})


@pytest.fixture(scope="module")
def known(module_stack: Stack) -> tuple[str, str]:
    """(API key, session cookie)"""
    command = [sys.executable, "-W", "ignore", "manage.py", "shell", "-v", "0", "-c", PREPARE]
    done = subprocess.run(
        command, cwd=ROOT, env=module_stack.env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    key, cookie = done.stdout.split()[-2:]
    return key, cookie


def _admin_pages(stack: Stack, cookie: str, *, most: int = 90) -> dict[str, str]:
    """Everything that an operator can click to, as HTML."""
    where = urlsplit(stack.address())
    pages: dict[str, str] = {}
    waiting = ["/admin/"]
    connection = HTTPConnection(where.hostname or "", where.port, timeout=30)
    while waiting and len(pages) < most:
        path = waiting.pop(0)
        if path in pages:
            continue
        connection.request("GET", path, headers={"Cookie": f"sessionid={cookie}"})
        answer = connection.getresponse()
        pages[path] = answer.read().decode(errors="replace")
        assert answer.status < 500, path
        links = re.findall(r'href="(/admin/[^"]*)"', pages[path])
        waiting += [link for link in links if not _NOT_FOLLOWED.search(link)]
    return pages


def _redis_outside_of_logs(stack: Stack) -> str:
    """Keys and values of everything but the live logs of runs."""
    readers = {
        b"string": lambda c, k: c.get(k),
        b"hash": lambda c, k: c.hgetall(k),
        b"list": lambda c, k: c.lrange(k, 0, -1),
        b"set": lambda c, k: c.smembers(k),
        b"zset": lambda c, k: c.zrange(k, 0, -1),
        b"stream": lambda c, k: c.xrange(k),
    }
    with stack.redis() as client:
        keys = [key for key in client.scan_iter("*") if not key.startswith(b"tm:log:")]
        assert keys
        return str([(key, readers[client.type(key)](client, key)) for key in keys])


def _found(places: dict[str, str], words: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(place, word) for place, text in places.items() for word in words if word in text]


def _figures(stack: Stack) -> str:
    with urlopen(f"{stack.address()}/metrics", timeout=30) as answer:
        return str(answer.read().decode())


@pytest.mark.req("VB-79", "VB-80", "VB-83", "OV-15", "OV-66", "OV-S6")
def test_a_run_leaves_its_words_in_its_log_and_its_secrets_nowhere(
    stack: Stack, known: tuple[str, str]
) -> None:
    key, cookie = known
    token = stack.credentials()["Authorization"].split()[1]
    stack.models.script("scripted", *[{"text": [ANSWER]}] * 3)
    field = {"id": "p", "tagName": "input", "type": "password", "value": PASSWORD}
    for headers in ({"x-api-key": key}, {}):
        asked = stack.ask(PROMPT, model="scripted", domElements=[field], headers=headers)
        asked.rest()
        assert asked.status == 200
        stack.wait_for_end(asked.run_id)
    sealed = sealed_run_start(stack)
    stack.wait_for_end(sealed)

    pages = _admin_pages(stack, cookie)
    assert any(asked.run_id in path for path in pages)
    assert any(sealed in path for path in pages)
    secrets = (PASSWORD, token, key, *SEALED)
    elsewhere = {
        "log": stack.logs(),
        "metrics": _figures(stack),
        "redis": _redis_outside_of_logs(stack),
    }
    with stack.redis() as client:
        told = str([client.xrange(name) for name in client.scan_iter("tm:log:*", _type="stream")])

    assert _found(elsewhere, (PROMPT, ANSWER, *secrets)) == []
    assert _found(pages, secrets) == []
    assert _found({"live logs": told}, secrets) == []


REFUSED: list[tuple[str, str, Any, dict[str, str]]] = [
    ("POST", "/api/taskmapr/orchestrate", {"prompt": {"x": PROMPT}}, {}),
    ("POST", "/api/taskmapr/orchestrate", {"prompt": "x", "sessionId": f"not {PASSWORD}!"}, {}),
    ("POST", "/api/taskmapr/orchestrate", {"prompt": PROMPT, "domElements": PASSWORD}, {}),
    ("POST", "/api/taskmapr/orchestrate", {"prompt": "x"}, {"Last-Event-ID": PASSWORD}),
    ("POST", "/api/taskmapr/orchestrate", {"prompt": "x"}, {"x-api-key": f"tm_{PASSWORD}"}),
    ("POST", "/api/v1/auth/login", {"email": f"{PROMPT}@example.org", "password": PASSWORD}, {}),
    ("POST", "/api/v1/auth/login", {"email": PROMPT, "password": [PASSWORD]}, {}),
    ("POST", "/api/v1/auth/refresh", {"refresh_token": PASSWORD}, {}),
    ("GET", "/api/taskmapr/runs/x/stream?access_token=" + PASSWORD, None, {}),
    ("GET", "/api/history/none?limit=" + PASSWORD, None, {}),
]


@pytest.mark.req("OV-07", "VB-83")
@pytest.mark.parametrize(("method", "path", "body", "headers"), REFUSED)
def test_a_refusal_does_not_say_again_what_was_sent(
    stack: Stack, method: str, path: str, body: Any, headers: dict[str, str]
) -> None:
    if method == "GET":
        answer = stack.get(path, **headers)
    else:
        answer = stack.post(path, body, headers=headers)
    told = answer.json()

    assert answer.status >= 400
    assert _found({"problem": str(told), "log": stack.logs()}, (PROMPT, ANSWER, PASSWORD)) == []
