"""The processes of this machine, as /proc tells them (proc_pid_stat(5))."""

from collections.abc import Iterator
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
