"""A prepared process that hangs: a run that it has forked ends for its task all the same."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator

import pytest

from backups.models import BackupExecution
from backups.runs.registry import kind_named
from backups.worker import run_process
from backups.worker.child_process import BUSY
from backups.worker.run_process import Forked
from tests.support.sites.worker_site import eventually


@pytest.fixture
def zombie() -> Iterator[int]:
    process = subprocess.Popen(["sh", "-c", f"exit {BUSY}"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    yield process.pid
    process.wait()


def test_the_exit_code_is_taken_from_the_process_that_has_ended(zombie: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_process, "CHECK_SECONDS", 0.01)
    theirs: list[socket.socket] = []

    def answer(_requests: object, _message: object, descriptors: list[int]) -> None:
        theirs.append(socket.socket(fileno=os.dup(descriptors[0])))
        send(theirs[0], [str(zombie).encode()], [pidfd])

    send, pidfd = socket.send_fds, os.pidfd_open(zombie)
    monkeypatch.setattr(socket, "send_fds", answer)
    with socket.socket() as requests:
        forked = Forked(requests, kind_named("backup"), BackupExecution(pk="id"))
    eventually(forked.has_ended)
    forked.close()
    assert forked.returncode == BUSY
    theirs[0].close()
    os.close(pidfd)


def test_a_process_that_has_the_number_of_an_orphan_by_now_gets_no_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    gone, stranger = (subprocess.Popen(["sleep", "60"], start_new_session=True) for _ in range(2))
    pidfd, theirs, send = os.pidfd_open(gone.pid), list[socket.socket](), socket.send_fds

    def answer(_requests: object, _message: object, descriptors: list[int]) -> None:
        theirs.append(socket.socket(fileno=os.dup(descriptors[0])))
        send(theirs[0], [str(gone.pid).encode()], [pidfd])

    monkeypatch.setattr(socket, "send_fds", answer)
    with socket.socket() as requests:
        forked = Forked(requests, kind_named("backup"), BackupExecution(pk="id"))
    theirs[0].close()
    assert not forked.has_ended()
    gone.kill()
    gone.wait()
    # as if the kernel had given the number away: identities differ by their start
    forked.pid, forked._identity = stranger.pid, forked._identity.replace(f"/{gone.pid}/", f"/{stranger.pid}/") + "0"
    assert forked.has_ended()
    forked.send_signal(signal.SIGKILL)
    forked.kill_group()
    forked.close()
    assert (stranger.poll(), forked.returncode) == (None, -signal.SIGTERM)
    stranger.kill()
    stranger.wait()
    os.close(pidfd)
