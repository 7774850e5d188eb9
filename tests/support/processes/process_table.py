"""The processes of this machine, as /proc tells them (proc_pid_stat(5))."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def living() -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and state_of(int(entry.name)) not in ("", "Z", "X"):
            yield int(entry.name)


def state_of(pid: int) -> str:
    """Return the letter of its state, as T for stopped; nothing when it has gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def has_pending(pid: int, number: signal.Signals) -> bool:
    """Return whether the signal was sent to the process and waits for it to go on."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    pending = next(line for line in lines if line.startswith("ShdPnd:"))
    return bool(int(pending.split()[1], 16) >> (number - 1) & 1)


def environment_of(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []


def arguments_of(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def open_files(pid: int) -> list[str]:
    folder = f"/proc/{pid}/fd"
    found = []
    # it may have ended, and so may a file
    with suppress(OSError):
        for number in os.listdir(folder):  # noqa: PTH208
            with suppress(OSError):
                found.append(os.readlink(f"{folder}/{number}"))  # noqa: PTH115
    return found


def children_of(parent: int) -> list[int]:
    found = []
    for pid in living():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(stat[1]) == parent:
            found.append(pid)
    return sorted(found)


def descendants_of(parent: int) -> list[int]:
    """Return the ids of its children and of theirs, of which only they are read (proc_tid_children(5))."""
    found: list[int] = []
    waiting = [parent]
    while waiting:
        threads = f"/proc/{waiting.pop()}/task"
        # it may have ended
        with suppress(OSError):
            for thread in os.listdir(threads):  # noqa: PTH208
                children = [int(pid) for pid in Path(f"{threads}/{thread}/children").read_text().split()]
                found += children
                waiting += children
    return sorted(found)
