"""The process of a run: forked from the prepared process of the worker, or started as a program."""

import errno
import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

from django.conf import settings

from backups.lib.processes import exit_code_of_zombie, identity, is_gone, is_reused
from backups.models import Run
from backups.runs.registry import RunKind
from backups.worker.forks import REFUSED, Request, can_fork

POLL_SECONDS = 0.05
CHECK_SECONDS = 1.0
# the prepared process may have to start first
FORK_SECONDS = 20.0
LONGEST_ANSWER = 32

# of the worker and its forks: where they ask for a forked process
_requests: socket.socket | None = None


class Started:
    """A process of its own that was started for a run, as by `runexecution` in a terminal."""

    def __init__(self, kind: RunKind[Any], run: Run) -> None:
        self._process = _start("runexecution", run.pk, "--kind", kind.noun, "--parent", str(os.getpid()))
        self.pid = self._process.pid
        self.returncode = 0

    def has_ended(self) -> bool:
        """True when it has ended. It stays a zombie until `close`, so that its pid cannot be reused."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None

    def wait(self, seconds: float) -> None:
        """Wait for that long, or for a shorter time when it has ended."""
        time.sleep(seconds)

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill_group(self) -> None:
        """Kill the processes that it left behind in its group."""
        _kill_group(self.pid)

    def close(self) -> None:
        self.returncode = self._process.wait()


class Forked:
    """A process that the prepared process of the worker has forked for a run. Raises OSError when it has not."""

    def __init__(self, requests: socket.socket, kind: RunKind[Any], run: Run) -> None:
        self._answers, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                self._answers.settimeout(FORK_SECONDS)
                socket.send_fds(requests, [Request(run.pk, kind.noun).encode()], [theirs.fileno()])
            answer, descriptors, _, _ = socket.recv_fds(self._answers, LONGEST_ANSWER, 1)
            self.pid = int(answer or REFUSED)
            # the kernel leaves the descriptor out where this process may open no more
            if self.pid == REFUSED or not descriptors:
                raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        except BaseException:
            self._answers.close()  # which terminates a process that comes too late
            raise
        self._answers.setblocking(False)
        # of the process itself: when its parent is gone its pid may be that of another one
        self._process = descriptors[0]
        self._identity = identity(self.pid)
        self._code: int | None = None
        self._is_orphan = False
        # by the kernel, when its parent has ended; later by this process
        self._told = signal.SIGTERM
        self._look_at = time.monotonic() + CHECK_SECONDS
        self.returncode = 0

    def has_ended(self) -> bool:
        """True when it has ended. It stays a zombie until `close`, so that its pid cannot be reused."""
        if self._code is None:
            with suppress(BlockingIOError):
                if answer := self._answers.recv(LONGEST_ANSWER):
                    self._code = int(answer)
                else:
                    # its parent has ended, and with it what it knew; the kernel has told the process to end
                    self._is_orphan = True
                    if select.select([self._process], [], [], 0)[0]:
                        self._code = -self._told
            if self._code is None and not self._is_orphan and (now := time.monotonic()) > self._look_at:
                # its parent may hang, and the slot must not be in use until it goes on
                self._look_at = now + CHECK_SECONDS
                self._code = exit_code_of_zombie(self.pid)
        return self._code is not None

    def wait(self, seconds: float) -> None:
        """Wait for that long, or for a shorter time when it has ended."""
        if self._is_orphan:
            time.sleep(seconds)
        else:
            select.select([self._answers], [], [], seconds)

    def send_signal(self, number: signal.Signals) -> None:
        self._told = number
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process, number)

    def kill_group(self) -> None:
        """Kill the processes that it left behind in its group."""
        if not is_reused(self._identity):
            _kill_group(self.pid)

    def close(self) -> None:
        # its exit code follows at once, unless its parent hangs
        deadline = time.monotonic() + FORK_SECONDS
        while not self.has_ended() and (time.monotonic() < deadline or not is_gone(self._identity)):
            self.wait(POLL_SECONDS)
        self._answers.close()
        os.close(self._process)
        self.returncode = self._code or 0


def start_forks() -> "subprocess.Popen[bytes] | None":
    """Start the process from which those of runs are forked, for the forks of this process; None where it cannot be."""
    global _requests
    if not can_fork():
        return None
    _requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        number = theirs.fileno()
        return _start("forkruns", "--socket", str(number), "--parent", str(os.getpid()), pass_fds=(number,))


def end_forks() -> None:
    """Let the prepared process end when the processes of the worker have ended, which may still ask for runs."""
    global _requests
    if _requests is not None:
        _requests.close()
    _requests = None


def process_of(kind: RunKind[Any], run: Run) -> Started | Forked:
    """Return the new process of the queued `run`, which this process has reserved."""
    if _requests is not None:
        # it has ended, hangs, or what it has loaded was replaced: an ordinary start takes half a second more
        with suppress(OSError):
            return Forked(_requests, kind, run)
    return Started(kind, run)


def _start(*command: str, pass_fds: tuple[int, ...] = ()) -> "subprocess.Popen[bytes]":
    # the child imports what this process imports, whatever its working directory is
    paths = [path for path in sys.path if path]
    return subprocess.Popen(
        [sys.executable, "-m", "backups.management", *command],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "DJANGO_SETTINGS_MODULE": settings.SETTINGS_MODULE},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        # a signal to the group of the worker, as from a closed terminal, must not end the run at once
        start_new_session=True,
        pass_fds=pass_fds,
    )


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
