"""deploy/Dockerfile: what it runs as, what it is made of, and what it starts."""

from __future__ import annotations

import json
import re
import tomllib

import pytest
from django.core.management import get_commands

from tests.deploy.files import ROOT, instructions, last_command, managed, settings_known

pytestmark = pytest.mark.req("OV-74", "VB-88")


def test_it_does_not_run_as_root() -> None:
    """Neither the one with a browser nor the one without; root is only who installs it."""
    users = instructions("USER")

    assert [user for user in users if user != "root"] == ["10001:10001"] * 2
    assert users[-1] != "root"


@pytest.mark.req("TQ-38")
def test_without_a_target_it_is_the_one_without_a_browser() -> None:
    stages = instructions("FROM")

    assert stages[-2:] == ["service AS browser", "service"]
    (browser,) = [line for line in instructions("RUN") if "apt-get" in line]
    assert {"chromium", "chromium-driver"} <= set(browser.split())


def test_it_listens_for_everybody_on_port_8000() -> None:
    environment = dict(re.findall(r"(\w+)=(\S+)", instructions("ENV")[-1]))

    assert (environment["HOST"], environment["PORT"]) == ("0.0.0.0", "8000")
    assert environment["ENV"] == "prod"
    assert instructions("EXPOSE") == ["8000"]
    ours = set(environment) - {"PATH", "PYTHONUNBUFFERED"}
    assert ours <= settings_known()


def test_its_python_is_new_enough() -> None:
    (version,) = re.findall(r"^PYTHON=(\d+)\.(\d+)$", "\n".join(instructions("ARG")), re.M)
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]

    assert wanted == ">=3.11"
    assert tuple(map(int, version)) >= (3, 11)
    for stage in instructions("FROM"):
        assert stage.startswith(("python:${PYTHON}-slim", "service")), stage


def test_it_installs_what_is_locked_and_nothing_for_developers() -> None:
    installs = [line for line in instructions("RUN") if "requirements" in line]

    assert installs == ["python requirements/install.py ${REQUIREMENTS}"]
    assert "REQUIREMENTS=base" in instructions("ARG")
    assert '"--require-hashes"' in (ROOT / "requirements" / "install.py").read_text()


def test_what_it_copies_is_there() -> None:
    for words in instructions("COPY"):
        *sources, _ = [word for word in words.split() if not word.startswith("--")]
        if "--from" not in words:
            assert [name for name in sources if not (ROOT / name).exists()] == []


def test_its_commands_exist() -> None:
    everything = "\n".join([*instructions("RUN"), " ".join(last_command())])

    commands = [json.loads(words)[-1] for words in instructions("CMD")]
    assert commands == ["web", "task_worker"]
    everything += " manage.py task_worker"
    assert managed(everything) <= set(get_commands())


def test_its_health_is_asked_by_a_script_that_is_in_it() -> None:
    (check,) = instructions("HEALTHCHECK")

    assert 'CMD ["python", "deploy/healthcheck.py"]' in check
    assert (ROOT / "deploy" / "healthcheck.py").exists()


@pytest.mark.req("VB-85")
def test_secrets_and_data_of_a_machine_stay_out_of_it() -> None:
    left_out = set((ROOT / ".dockerignore").read_text().split())

    assert left_out >= {".env", ".env.*", ".taskmapr", ".venv", ".git", "tests"}
    # Read at run time: pages, the documentation that knowledge begins with, the probe.
    assert left_out & {"docs", "templates", "deploy", "requirements", "manage.py"} == set()
