from __future__ import annotations

import subprocess
import sys

#: Told when it is collected, which only the collector can do: it refers to itself.
RING = """
class Ring:
    def __init__(self): self.own = self
    def __del__(self): print("walked")
"""


def printed(program: str) -> str:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_end_of_a_process_does_not_walk_what_it_has() -> None:
    spare = "from taskmapr.foundation.collector import collector_spare; collector_spare()\n"
    assert printed(RING + "Ring()") == "walked\n"
    assert printed(spare + RING + "Ring()") == ""


def test_while_serving_new_objects_are_still_collected() -> None:
    both = "from taskmapr.foundation.collector import *; collector_spare(); collector_settle()\n"
    assert printed(both + RING + "for _ in range(20_000): Ring()").count("walked") > 1000
