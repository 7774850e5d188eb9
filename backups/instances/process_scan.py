"""Open files and environments of other processes of this machine, from /proc (proc(5), Linux).

Only processes that this user may inspect are found.
"""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
# a machine may have any number of processes: the scan ends after this time with what it found
SECONDS = 3.0
DELETED = " (deleted)"
FEW_BYTES, MOST_BYTES = 1 << 14, 1 << 20
MOST_LINKS = 40


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file that a process has open for writing: `path` as the process sees it; `deleted` when it was unlinked."""

    path: Path
    info: os.stat_result
    deleted: bool

    @property
    def identity(self) -> tuple[int, int]:
        return self.info.st_dev, self.info.st_ino


@dataclass(frozen=True, slots=True)
class Process:
    """A running process: its user ids (real, effective, saved, file system) and its working folder.

    `environment` is empty when this user may not read it.
    """

    pid: int
    users: frozenset[int]
    folder: Path
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    files: tuple[OpenFile, ...]

    def seen(self, path: str) -> Path:
        """Return where this process finds the `path` of that one, which may run in a container."""
        # links are resolved here: the kernel would resolve absolute ones from our root instead of that of the container
        root = f"{PROC}/{self.pid}/root"
        current, rest, links = (root if path.startswith("/") else f"{PROC}/{self.pid}/cwd"), path.split("/"), 0
        while rest:
            part = rest.pop(0)
            if part in ("", ".") or (part == ".." and current == root):
                continue
            current = f"{current}/{part}"
            if (target := "" if part == ".." else _link(current)) and links < MOST_LINKS:
                links += 1
                current = root if target.startswith("/") else current.rpartition("/")[0]
                rest[:0] = target.split("/")
        return Path(current)

    def __str__(self) -> str:
        return f"process {self.pid} ({Path(self.arguments[0]).name})"


@dataclass(frozen=True, slots=True)
class ProcessFilter:
    """Selects a process by its working folder (in one of `roots`), by an open file (its name begins with one of
    `files`) or by an argument (its last path component is one of `arguments`).

    `variables` of its environment may name more files that are reported, but do not select it.
    """

    roots: frozenset[Path]
    files: frozenset[str]
    arguments: frozenset[str]
    variables: frozenset[str]


def processes(interest: ProcessFilter, *, seconds: float = SECONDS) -> list[Process]:
    """Return the processes that `interest` selects, without this one and its ancestors; raises nothing."""
    until = time.monotonic() + seconds
    # open files and environment of our ancestors (a shell, a process manager) are no evidence of a service
    pid, ancestors = os.getpid(), set[int]()
    while pid and pid not in ancestors:
        ancestors.add(pid)
        try:
            pid = int((PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            break
    roots, files = frozenset(map(str, interest.roots)), tuple(interest.files)
    inspected = (
        _inspect(pid, interest, roots, files)
        for pid in running_pids()
        if pid not in ancestors and time.monotonic() < until
    )
    return [process for process in inspected if process is not None]


def running_pids() -> list[int]:
    """Return the ids of all processes in order; none without /proc."""
    try:
        return sorted(int(name) for name in os.listdir(PROC) if name.isdigit())  # noqa: PTH208 - thousands of names
    except OSError:
        return []


def _inspect(pid: int, interest: ProcessFilter, roots: frozenset[str], names: tuple[str, ...]) -> Process | None:
    # of texts: this is done for every process of the machine and each file that it has open
    folder = f"{PROC}/{pid}"
    if not (line := _read(f"{folder}/cmdline")):
        return None  # a thread of the kernel, or a process that has ended
    try:
        links = {number: _link(f"{folder}/fd/{number}") for number in os.listdir(f"{folder}/fd")}  # noqa: PTH208 - many
    except OSError:
        links = {}
    arguments = tuple(os.fsdecode(line.rstrip(b"\0")).split("\0"))
    cwd = _link(f"{folder}/cwd") or "/"
    if not (
        any(base(link).startswith(names) for link in links.values())
        or any(base(argument) in interest.arguments for argument in arguments)
        or any(cwd == root or cwd.startswith(f"{root.rstrip('/')}/") for root in roots)
    ):
        return None
    status = (_read(f"{folder}/status") or b"").splitlines()
    users = frozenset(int(number) for line in status if line.startswith(b"Uid:") for number in line.split()[1:])
    pairs = (os.fsdecode(pair).partition("=") for pair in (_read(f"{folder}/environ") or b"").split(b"\0"))
    environment = {name: value for name, _, value in pairs if name}
    known = interest.files | {base(environment[name]) for name in interest.variables & environment.keys()}
    files = tuple(_open_files(folder, links, tuple(known - {""})))
    return Process(pid, users, Path(cwd), arguments, environment, files)


def base(argument: str) -> str:
    """Return the last part of the path in ``PATH`` or ``--option=PATH``."""
    return argument.rpartition("=")[2].rpartition("/")[2]


def _open_files(folder: str, links: Mapping[str, str], names: tuple[str, ...]) -> Iterator[OpenFile]:
    """Yield the files open for writing whose names begin with one of `names`."""
    for number, link in links.items():
        if not base(link).startswith(names):
            continue
        try:
            info = os.stat(f"{folder}/fd/{number}")  # noqa: PTH116 - through the link, also into a container
        except OSError:
            continue
        lines = (_read(f"{folder}/fdinfo/{number}") or b"").splitlines()
        flags = next((line.split()[1] for line in lines if line.startswith(b"flags:")), b"0")
        if int(flags, 8) & os.O_ACCMODE != os.O_RDONLY:
            yield OpenFile(Path(link.removesuffix(DELETED)), info, link.endswith(DELETED))


def _read(path: str) -> bytes | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # room for the largest is asked for only where it is needed: that takes longer than reading
        content = os.read(descriptor, FEW_BYTES)
        return content if len(content) < FEW_BYTES else content + os.read(descriptor, MOST_BYTES - FEW_BYTES)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115 - it may not be a path: "pipe:[1]"
    except OSError:
        return ""
