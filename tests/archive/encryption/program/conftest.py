"""Nothing that a program started stays."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest


def children() -> set[int]:
    """Return the children of this process, those that ended and nobody waited for included (proc_pid_stat(5))."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "stat").read_text().rpartition(")")[2].split()[1] == str(os.getpid()):
                found.add(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    # servers of other tests may run
    threads, processes = set(threading.enumerate()), children()
    yield
    assert set(threading.enumerate()) <= threads
    assert children() <= processes
