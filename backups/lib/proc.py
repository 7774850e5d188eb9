"""What other processes of this machine have open, and which environment they were started with (Linux).

Only what this user may look at is seen; of everything else nothing is claimed. Source: proc(5).
"""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
# a machine may have any number of processes: what is not seen by then is not claimed
SECONDS = 3.0
DELETED = " (deleted)"
MOST_BYTES = 1 << 20
MOST_LINKS = 40


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file that a process may write to. `path` is what it calls it; `deleted` when it has that name no more."""

    path: Path
    info: os.stat_result
    deleted: bool

    @property
    def identity(self) -> tuple[int, int]:
        return self.info.st_dev, self.info.st_ino


@dataclass(frozen=True, slots=True)
class Process:
    """`users` are the ids that it runs with and was started with, `folder` is its working folder; `environment` is
    empty where this user may not read it."""

    pid: int
    users: frozenset[int]
    folder: Path
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    files: tuple[OpenFile, ...]

    def seen(self, path: str) -> Path:
        """Return where we find what the process calls `path`, links followed as in its container."""
        own = PROC / str(self.pid)
        return Path(_followed(f"{own}/root", f"{own}/cwd", path))

    def __str__(self) -> str:
        return f"process {self.pid} ({Path(self.arguments[0]).name})"


@dataclass(frozen=True, slots=True)
class Interest:
    """A process is found by a working folder in one of `roots`, or by an open file whose name begins with one of
    `files`, or by an argument that ends in one of `arguments`. `variables` may name more files."""

    roots: frozenset[Path]
    files: frozenset[str]
    arguments: frozenset[str]
    variables: frozenset[str]


def processes(interest: Interest, *, seconds: float = SECONDS) -> list[Process]:
    """Return the processes of `interest` but this one and those that started it. Nothing is raised."""
    until = time.monotonic() + seconds
    mine = _lineage()
    looked_at = (_looked_at(pid, interest) for pid in _pids() if pid not in mine and time.monotonic() < until)
    return [process for process in looked_at if process is not None]


def _pids() -> list[int]:
    try:
        return sorted(int(name) for name in os.listdir(PROC) if name.isdigit())  # noqa: PTH208 - thousands of names
    except OSError:
        return []


def _lineage() -> set[int]:
    """Return this process and its ancestors: what they have open, and their environment, says nothing of a service."""
    pid, found = os.getpid(), set[int]()
    while pid and pid not in found:
        found.add(pid)
        try:
            pid = int((PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            break
    return found


def _looked_at(pid: int, interest: Interest) -> Process | None:
    folder = PROC / str(pid)
    if not (line := _read(folder / "cmdline")):
        return None  # a thread of the kernel, or a process that has ended
    arguments = tuple(os.fsdecode(part) for part in line.rstrip(b"\0").split(b"\0"))
    links = _links(folder / "fd")
    cwd = Path(_link(folder / "cwd") or "/")
    if not (
        any(base(link).startswith(tuple(interest.files)) for link in links.values())
        or any(base(argument) in interest.arguments for argument in arguments)
        or not interest.roots.isdisjoint((cwd, *cwd.parents))
    ):
        return None
    environment = _environment(folder)
    names = interest.files | {base(environment[name]) for name in interest.variables & environment.keys()}
    return Process(
        pid, _users(folder), cwd, arguments, environment, tuple(_open_files(folder, links, tuple(names - {""})))
    )


def base(argument: str) -> str:
    """Return the last part of the path in ``PATH`` or ``--option=PATH``."""
    return argument.rpartition("=")[2].rpartition("/")[2]


def _users(folder: Path) -> frozenset[int]:
    lines = (_read(folder / "status") or b"").splitlines()
    return frozenset(int(number) for line in lines if line.startswith(b"Uid:") for number in line.split()[1:])


def _environment(folder: Path) -> Mapping[str, str]:
    pairs = (os.fsdecode(pair).partition("=") for pair in (_read(folder / "environ") or b"").split(b"\0"))
    return {name: value for name, _, value in pairs if name}


def _open_files(folder: Path, links: Mapping[str, str], names: tuple[str, ...]) -> Iterator[OpenFile]:
    """Yield what is open for writing under a name that begins with one of `names`."""
    for number, link in links.items():
        if not base(link).startswith(names):
            continue
        try:
            info = os.stat(folder / "fd" / number)  # noqa: PTH116 - through the link, also into a container
        except OSError:
            continue
        if _is_written(folder / "fdinfo" / number):
            yield OpenFile(Path(link.removesuffix(DELETED)), info, link.endswith(DELETED))


def _links(folder: Path) -> dict[str, str]:
    """Return what each descriptor leads to; nothing where this user may not look."""
    try:
        return {number: _link(f"{folder}/{number}") for number in os.listdir(folder)}  # noqa: PTH208 - thousands of them
    except OSError:
        return {}


def _followed(root: str, folder: str, path: str) -> str:
    """Follow the links in `path` by hand: the kernel would take absolute ones from our root, not from `root`."""
    current, rest, links = (root if path.startswith("/") else folder), path.split("/"), 0
    while rest:
        part = rest.pop(0)
        if part in ("", ".") or (part == ".." and current == root):
            continue
        current = f"{current}/{part}"
        if (target := "" if part == ".." else _link(current)) and links < MOST_LINKS:
            links += 1
            current = root if target.startswith("/") else current.rpartition("/")[0]
            rest[:0] = target.split("/")
    return current


def _is_written(fdinfo: Path) -> bool:
    text = _read(fdinfo) or b""
    flags = next((line.split()[1] for line in text.splitlines() if line.startswith(b"flags:")), b"0")
    return int(flags, 8) & os.O_ACCMODE != os.O_RDONLY


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb", buffering=0) as file:
            return file.read(MOST_BYTES)
    except OSError:
        return None


def _link(path: Path | str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115 - it may be no path at all, as "pipe:[1]"
    except OSError:
        return ""
