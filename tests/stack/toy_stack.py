"""A supervisor over children that misbehave as told: `python -m tests.stack.toy_stack NAME=CODE …`.

Each CODE is Python; children of one wave are separated by arguments, waves by `--`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from taskmapr.stack.supervisor import Program, Supervisor
from taskmapr.stack.terminal import Terminal


def main(words: list[str]) -> None:
    waves: list[list[Program]] = [[]]
    for word in words:
        if word == "--":
            waves.append([])
        else:
            name, _, code = word.partition("=")
            command = [sys.executable, "-u", "-c", code]
            waves[-1].append(Program(name, command, env=os.environ, cwd=Path.cwd(), patience_s=1.0))
    terminal = Terminal()
    supervisor = Supervisor(waves, terminal=terminal)
    supervisor.signals_take()
    for number in range(len(waves)):
        supervisor.wave_start(number)
    terminal.say("all started")
    supervisor.run()
    supervisor.stop()
    terminal.say("all stopped")


if __name__ == "__main__":
    main(sys.argv[1:])
