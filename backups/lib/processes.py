"""Processes that end with those who started them (Linux)."""

import ctypes
import os
import signal
from contextlib import suppress
from pathlib import Path

# linux/prctl.h
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def die_with(parent: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Get `number` when the process `parent`, which started us, dies; at once when it is gone already."""
    _prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def forks_die_with_their_parents() -> None:
    """From now on let every fork of this process, and every fork of those, be killed when its parent dies."""
    parents: list[int] = []

    def remember() -> None:
        parents[:] = [os.getpid()]

    os.register_at_fork(before=remember, after_in_child=lambda: die_with(parents[0]))


def descendants(ancestor: int) -> list[int]:
    """Return the ids of the living processes below `ancestor`, parents before their children."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent := _living_parent(entry)):
            children.setdefault(parent, []).append(int(entry.name))
    found = [ancestor]
    for pid in found:
        found += children.get(pid, [])
    return found[1:]


def _living_parent(entry: Path) -> int:
    """Return the parent of the process at `entry`, 0 for one that has ended (proc_pid_stat(5))."""
    try:
        state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if state in "ZX" else int(parent)


def is_living(pid: int) -> bool:
    return bool(_living_parent(Path("/proc", str(pid))))


UNKNOWN = "-"


def identity(pid: int = 0) -> str:
    """Return what tells the process `pid`, by default this one, from every other one, also of other containers and
    hosts: boot, pid namespace, pid, start in clock ticks since boot.
    """
    pid = pid or os.getpid()
    _, started = _state_and_start(pid)
    return "/".join([_boot(), _namespace(), str(pid), started])


def of_this_kernel(process: str) -> bool:
    """True when the process of that identity began here since the last boot, in whatever container."""
    boot = process.partition("/")[0]
    return boot == _boot() != UNKNOWN


def is_gone(process: str) -> bool:
    """True when the process of that identity has ended; False too where that cannot be told from here.

    A pid of another boot or pid namespace says nothing: here it may be somebody else's, or not be visible.
    """
    if not process or UNKNOWN in process.split("/"):
        return False
    boot, namespace, pid, began = process.split("/")
    if (boot, namespace) != (_boot(), _namespace()):
        return False
    state, started = _state_and_start(int(pid))
    if started != UNKNOWN:
        return started != began or state in "ZX"
    try:
        # a /proc that hides the processes of other users looks as if there were none
        with suppress(PermissionError):
            os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    return False


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return UNKNOWN


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid").strip("pid:[]")  # noqa: PTH115 - it leads nowhere
    except OSError:
        return UNKNOWN


def _state_and_start(pid: int) -> tuple[str, str]:
    """Return fields 3 and 22 of proc_pid_stat(5); a zombie has both."""
    try:
        state, *fields = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return UNKNOWN, UNKNOWN
    return state, fields[18]


def kill_all(pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def bury_orphans(*, but: int) -> None:
    """Forget the adopted processes that have ended; the child `but` is left to those who wait for it."""
    try:
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG)) and ended.si_pid != but:
            os.waitpid(ended.si_pid, 0)
    except ChildProcessError:
        return
