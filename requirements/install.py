"""Make .venv and install locked requirements: `python3 requirements/install.py base|dev`.

Standard library only, and readable by older Pythons up to the line that refuses them. Does nothing
when what is installed is what is locked, so that every `make` may call it.
"""

import hashlib
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(os.path.dirname(HERE), ".venv")
PYTHON = os.path.join(VENV, "bin", "python")

_INSTALLED = """
import importlib.metadata as m, json, sys
wanted = json.load(sys.stdin)
have = {d.metadata["Name"].lower().replace("_", "-").replace(".", "-"): d.version
        for d in m.distributions()}
sys.exit(any(have.get(name) != version for name, version in wanted.items()))
"""


def main(name: str) -> None:
    if sys.version_info < (3, 11):  # noqa: UP036
        sys.exit("TaskMapr needs Python 3.11 or newer; this is " + sys.version.split()[0])
    lock = os.path.join(HERE, name + ".txt")
    with open(lock, "rb") as file:
        content = file.read()
    stamp = os.path.join(VENV, ".installed-" + name)
    digest = hashlib.sha256(content).hexdigest()
    if read(stamp) == digest:
        return
    venv_make()
    if not is_installed(content.decode()):
        install(lock, len(re.findall(r"^[^ #]+==", content.decode(), re.MULTILINE)))
    with open(stamp, "w") as file:
        file.write(digest)


def venv_make() -> None:
    if os.path.exists(PYTHON):
        return
    say("Making .venv with Python " + sys.version.split()[0])
    command = [sys.executable, "-m", "venv", VENV]
    made = subprocess.run(command, check=False, capture_output=True, text=True)
    if made.returncode != 0:
        last = (made.stdout + made.stderr).strip().splitlines()
        hint = "On Debian and Ubuntu: apt install python3-venv"
        sys.exit("Python cannot make .venv: " + (last[-1] if last else "") + "\n" + hint)


def is_installed(lock: str) -> bool:
    """True when every pinned package that applies to every machine is there in its version."""
    pins = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\\n]+) *\\?$", lock, re.MULTILINE)
    wanted = {re.sub(r"[._]", "-", name.lower()): version for name, version in pins}
    check = [PYTHON, "-c", _INSTALLED]
    done = subprocess.run(check, check=False, input=json.dumps(wanted), text=True)
    return done.returncode == 0


def install(lock: str, total: int) -> None:
    """Hashes are required: a package that is not the locked one is refused."""
    command = [PYTHON, "-m", "pip", "install", "--require-hashes", "--no-input", "-r", lock]
    command += ["--disable-pip-version-check", "--progress-bar", "off"]
    log_name = os.path.join(VENV, "install.log")
    count = 0
    with open(log_name, "w") as log:
        pip = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        for line in pip.stdout or ():
            log.write(line)
            if line.startswith(("Collecting ", "Processing ")):  # fetched, or found in a folder
                count += 1
                progress(f"Fetching packages: {count} of about {total}")
            elif line.startswith("Installing collected"):
                progress("Installing packages" + " " * 30, always=True)
    if pip.wait() != 0:
        with open(log_name) as log:
            errors = [line.strip() for line in log if "ERROR" in line]
        reason = errors[-1] if errors else "see the log"
        sys.exit("\nThe packages cannot be installed: " + reason + "\nLog: " + log_name)
    say("\nInstalled.")


def progress(text: str, always: bool = False) -> None:
    """One line that changes on a terminal; else a line now and then."""
    if sys.stdout.isatty():
        sys.stdout.write("\r" + text)
        sys.stdout.flush()
    elif always or re.search(r" \d*0 of", text):
        say(text)


def read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
