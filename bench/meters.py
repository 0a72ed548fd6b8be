"""What processes cost: CPU time and memory, read from Linux's /proc."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")

YARDSTICK_TURNS = 500_000

_TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")

# Fields of /proc/<pid>/stat after the name in brackets: see proc_pid_stat(5), less 3.
_PPID, _UTIME, _STIME, _CUTIME, _CSTIME = 1, 11, 12, 13, 14

# Fields of the first line of /proc/stat: see proc_stat(5).
_IDLE, _IOWAIT, _STEAL = 3, 4, 7


def _stat(pid: int) -> list[str] | None:
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def tree(root: int) -> list[int]:
    """Return a process and everything that it started, however deep."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdecimal() and (fields := _stat(int(entry.name))) is not None:
            children.setdefault(int(fields[_PPID]), []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def cpu_ms(roots: Iterable[int]) -> float:
    """Return the CPU time that processes and all they started have used, ended ones included."""
    ticks = 0
    for root in roots:
        for pid in tree(root):
            fields = _stat(pid)
            if fields is not None:
                ticks += sum(int(fields[at]) for at in (_UTIME, _STIME, _CUTIME, _CSTIME))
    return ticks * _TICK_MS


def memory_mb(roots: Iterable[int]) -> float:
    """Return the memory of processes and all they started; shared pages count once (PSS)."""
    kilobytes = 0
    for root in roots:
        for pid in tree(root):
            kilobytes += _field_kb(pid, "smaps_rollup", "Pss:")
    return kilobytes / 1024


def rss_mb(pid: int) -> float:
    """Return the resident memory of one process."""
    return _field_kb(pid, "status", "VmRSS:") / 1024


def peak_mb(pid: int) -> float:
    """Return the most resident memory that a process has had so far."""
    return _field_kb(pid, "status", "VmHWM:") / 1024


def own_mb(pid: int) -> float:
    """Return the memory that a process has to itself, now: without files and shared memory."""
    return _field_kb(pid, "status", "RssAnon:") / 1024


def _field_kb(pid: int, file: str, name: str) -> int:
    try:
        lines = (PROC / str(pid) / file).read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
    return next((int(each.split()[1]) for each in lines if each.startswith(name)), 0)


@dataclass(frozen=True, slots=True)
class MachineTime:
    """How the machine's own CPU time was spent so far, in milliseconds over all cores."""

    total_ms: float
    idle_ms: float
    stolen_ms: float  # taken by other virtual machines on the same host

    def idle_since(self, before: MachineTime) -> float:
        """Return the share from 0 to 1 that was idle since `before`."""
        return (self.idle_ms - before.idle_ms) / max(self.total_ms - before.total_ms, 1)

    def busy_since(self, before: MachineTime) -> float:
        """Return the share from 0 to 1 that programs took since `before`."""
        return 1 - self.idle_since(before) - self.stolen_since(before)

    def stolen_since(self, before: MachineTime) -> float:
        """Return the share from 0 to 1 that was stolen since `before`."""
        return (self.stolen_ms - before.stolen_ms) / max(self.total_ms - before.total_ms, 1)


def machine_time() -> MachineTime:
    """Return the machine's CPU time until now."""
    ticks = [int(text) for text in (PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]]
    return MachineTime(
        total_ms=sum(ticks) * _TICK_MS, idle_ms=(ticks[_IDLE] + ticks[_IOWAIT]) * _TICK_MS,
        stolen_ms=ticks[_STEAL] * _TICK_MS,
    )


def yardstick_ms() -> float:
    """Return the CPU time that a fixed loop of Python takes now, the best of three.

    Shared hosts are twice as fast on one day as on another without saying so. CPU times of two
    runs can be compared after each is divided by its yardstick.
    """
    taken = []
    for _ in range(3):
        began = time.thread_time()
        for _ in range(YARDSTICK_TURNS):
            pass
        taken.append(time.thread_time() - began)
    return min(taken) * 1000


def machine() -> dict[str, str | int]:
    """Return what the machine is, as far as a reader of figures wants to know."""
    lines = (PROC / "cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory_kb = _field_kb_of((PROC / "meminfo").read_text(), "MemTotal:")
    return {
        "cpu": models[0] if models else platform.machine(), "cores": os.cpu_count() or 1,
        "memory_gb": round(memory_kb / 1024**2), "system": platform.system(),
        "kernel": ".".join(platform.release().split(".")[:2]), "python": platform.python_version(),
    }


def _field_kb_of(text: str, name: str) -> int:
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith(name)), 0)
