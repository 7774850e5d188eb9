"""A prepared process that hangs: a run that it has forked ends for its task all the same."""

import os
import socket
import subprocess
from collections.abc import Iterator

import pytest

from backups.models import BackupExecution
from backups.runs.registry import kind_named
from backups.worker import child_process
from backups.worker.child_process import BUSY, Forked
from tests.support.sites.worker_site import eventually


@pytest.fixture
def zombie() -> Iterator[int]:
    process = subprocess.Popen(["sh", "-c", f"exit {BUSY}"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    yield process.pid
    process.wait()


def test_the_exit_code_is_taken_from_the_process_that_has_ended(zombie: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_process, "CHECK_SECONDS", 0.01)
    theirs: list[socket.socket] = []

    def answer(_requests: object, _message: object, descriptors: list[int]) -> None:
        theirs.append(socket.socket(fileno=os.dup(descriptors[0])))
        theirs[0].send(str(zombie).encode())

    monkeypatch.setattr(socket, "send_fds", answer)
    with socket.socket() as requests:
        forked = Forked(requests, kind_named("backup"), BackupExecution(pk="id"))
    eventually(forked.has_ended)
    forked.close()
    assert forked.returncode == BUSY
    theirs[0].close()
