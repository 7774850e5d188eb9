"""Parents, children, death signals and identities of processes (Linux, proc(5) and prctl(2))."""

import ctypes
import os
import signal
from contextlib import suppress
from pathlib import Path

# linux/prctl.h
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
# part of an identity that cannot be determined
UNKNOWN = "-"


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def set_parent_death_signal(parent: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel send this process the signal `number` when its parent process `parent` dies."""
    _prctl(PR_SET_PDEATHSIG, number)
    # it may have died before the call
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def become_subreaper() -> None:
    """Make this process the subreaper: it becomes the parent of descendants whose own parent dies."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def kill_forks_with_parent() -> None:
    """Have every later fork of this process, and forks of those, killed when its parent dies."""
    parents: list[int] = []

    def record_parent() -> None:
        parents[:] = [os.getpid()]

    # before the fork: in the child getppid() would be another process if the parent had died by then
    os.register_at_fork(before=record_parent, after_in_child=lambda: set_parent_death_signal(parents[0]))


def descendants(ancestor: int) -> list[int]:
    """Return the pids of the running descendants of `ancestor`, parents before their children."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent := _parent_of_running(entry)):
            children.setdefault(parent, []).append(int(entry.name))
    found = [ancestor]
    for pid in found:
        found += children.get(pid, [])
    return found[1:]


def _parent_of_running(entry: Path) -> int:
    """Return the parent of the process at `entry`, 0 when it has ended (proc_pid_stat(5))."""
    try:
        state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if state in "ZX" else int(parent)


def is_living(pid: int) -> bool:
    return bool(_parent_of_running(Path("/proc", str(pid))))


def identity(pid: int = 0) -> str:
    """Return a unique name of the process `pid` (default: this one) across reboots, containers and hosts.

    It is ``BOOT/NAMESPACE/PID/START``: boot id, pid namespace, pid, start time in clock ticks since boot.
    """
    pid = pid or os.getpid()
    _, started = _state_and_start(pid)
    return "/".join([_boot(), _namespace(), str(pid), started])


def started_since_boot(process: str) -> bool:
    """True when the process with that identity was started on this host since its last boot, in any container."""
    boot = process.partition("/")[0]
    return boot == _boot() != UNKNOWN


def is_gone(process: str) -> bool:
    """True when the process with that identity has certainly ended; False when that cannot be determined."""
    if not process or UNKNOWN in process.split("/"):
        return False
    boot, namespace, pid, began = process.split("/")
    # in another pid namespace the pid may be reused or invisible
    if (boot, namespace) != (_boot(), _namespace()):
        return False
    state, started = _state_and_start(int(pid))
    if started != UNKNOWN:
        return started != began or state in "ZX"
    try:
        # with the mount option hidepid /proc does not show the processes of other users
        with suppress(PermissionError):
            os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    return False


def is_reused(process: str) -> bool:
    """True when another process has the pid of the one with that identity, which is gone then, with its group."""
    *_, pid, began = process.split("/")
    _, started = _state_and_start(int(pid))
    return UNKNOWN not in (started, began) and started != began


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return UNKNOWN


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid").strip("pid:[]")  # noqa: PTH115 - its target is not a path
    except OSError:
        return UNKNOWN


def _state_and_start(pid: int) -> tuple[str, str]:
    """Return state and start time, fields 3 and 22 of proc_pid_stat(5); a zombie has both."""
    try:
        state, *fields = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return UNKNOWN, UNKNOWN
    return state, fields[18]


def exit_code_of_zombie(pid: int) -> int | None:
    """Return the exit code of a process that has ended and that nothing reaped, as Popen gives it; else None."""
    try:
        state, *fields = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    return os.waitstatus_to_exitcode(int(fields[48])) if state == "Z" else None


def kill_all(pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def reap_orphans(*, but: int) -> None:
    """Reap the adopted processes that have ended, except the child `but`, which its own waiter reaps."""
    try:
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG)) and ended.si_pid != but:
            os.waitpid(ended.si_pid, 0)
    except ChildProcessError:
        return
