"""The processes of this machine, as /proc tells them (proc_pid_stat(5))."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def living() -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _state(entry) not in ("", "Z", "X"):
            yield int(entry.name)


def _state(entry: Path) -> str:
    try:
        return (entry / "stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


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
