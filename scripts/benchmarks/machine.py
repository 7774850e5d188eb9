"""Which machine the numbers are from."""

import os
import platform
import sqlite3
from collections.abc import Iterator
from pathlib import Path


def describe(directory: Path) -> Iterator[str]:
    """Yield one line a fact; `directory` is where the benchmark works."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    load = os.getloadavg()[0]
    yield f"- {_processor()}, {len(os.sched_getaffinity(0))} cores, {memory / 2**30:.0f} GiB of memory"
    yield f"- {platform.system()} {platform.release()}, {_file_system(directory)} file system"
    yield f"- Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    yield f"- load of the machine before the start: {load:.2f} (numbers of a busy machine are too high, ratios less so)"


def _processor() -> str:
    text = Path("/proc/cpuinfo").read_text()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _file_system(directory: Path) -> str:
    """Return the type of the file system that holds `directory`: that of the longest mount point above it."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    above = [(point, kind) for point, kind in mounts if directory.resolve().is_relative_to(point)]
    return max(above, key=lambda mount: len(mount[0]))[1]
