"""CPU and memory of processes, their children included."""

from __future__ import annotations

from collections.abc import Mapping

import psutil


class Meters:
    """Named process trees: a server and what it has forked."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._roots = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._gone: dict[str, float] = dict.fromkeys(pids, 0.0)
        self._last: dict[str, dict[int, float]] = {name: {} for name in pids}

    def cpu_s(self) -> dict[str, float]:
        """Seconds of CPU of each tree so far. Never falls: a child that ended keeps counting."""
        return {name: self._tree_cpu_s(name) for name in self._roots}

    def rss_kib(self, name: str) -> float:
        return float(sum(p.memory_info().rss for p in self._tree(name))) / 1024

    def pss_free_kib(self, name: str) -> float:
        """Memory that would be free if the tree ended: what its processes do not share."""
        return float(sum(p.memory_full_info().uss for p in self._tree(name))) / 1024

    def _tree(self, name: str) -> list[psutil.Process]:
        root = self._roots[name]
        return [root, *root.children(recursive=True)]

    def _tree_cpu_s(self, name: str) -> float:
        now: dict[int, float] = {}
        for process in self._tree(name):
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            now[process.pid] = times.user + times.system
        last = self._last[name]
        self._gone[name] += sum(spent for pid, spent in last.items() if pid not in now)
        self._last[name] = now
        return self._gone[name] + sum(now.values())
