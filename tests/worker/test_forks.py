"""Processes of runs are forked from one that is prepared: one that dies takes no other along."""

import errno
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backups.worker import forks
from backups.worker.forks import REFUSED, ForkServer, Request
from tests.support.sites.worker_site import Site, eventually


def test_a_forked_run_that_is_killed_ends_alone_and_the_worker_goes_on_without_its_prepared_process(site: Site) -> None:
    one, other = site.declare(2)
    lock = site.lock_shop()
    first, second = site.queue([one, other])
    worker = site.worker()
    pids = [site.exporting(first), site.exporting(second)]
    assert worker.runs() == sorted(pids)

    os.kill(pids[0], signal.SIGKILL)
    eventually(lambda: site.status(first) == "interrupted")
    lock.close()

    eventually(lambda: site.status(second) == "completed")
    assert site.run(first)["error_message"] == "Its process was killed by SIGKILL in stage exporting."
    assert worker.process.poll() is None

    os.kill(worker.prepared, signal.SIGKILL)
    eventually(lambda: "worker.forks-died" in worker.log.read_text())
    third = site.queue([one])[0]
    eventually(lambda: site.status(third) == "completed")
    site.leaves_nothing()


@pytest.fixture
def ends() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


@pytest.mark.parametrize("reason", ["replaced", "gone", "thread"])
def test_nothing_is_forked_from_what_was_replaced_or_has_a_thread(
    ends: tuple[socket.socket, socket.socket], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    module = tmp_path / "module.py"
    module.write_text("old")
    monkeypatch.setattr(forks, "_loaded_files", lambda: [str(module)])
    begun: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, argv: begun.append(argv))
    asked, requests = ends
    server = ForkServer(requests)
    ending = threading.Event()
    thread = threading.Thread(target=ending.wait)
    if reason == "thread":
        thread.start()
    elif reason == "replaced":
        module.with_suffix(".new").write_text("new")
        module.with_suffix(".new").replace(module)
    elif reason == "gone":
        module.unlink()
    try:
        with asked, requests:
            assert ask(server, asked, times=1) == [REFUSED]
    finally:
        ending.set()
    assert begun == [sys.orig_argv]


def ask(server: ForkServer, asked: socket.socket, *, times: int) -> list[int]:
    """Return what so many tasks are told that ask at once."""
    tasks: list[socket.socket] = []
    for _ in range(times):
        answers, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        tasks.append(answers)
        with theirs:
            socket.send_fds(asked, [Request("id", "backup").encode()], [theirs.fileno()])
    asked.close()
    assert server.serve() is None
    told = [int(task.recv(32)) for task in tasks]
    for task in tasks:
        task.close()
    return told


def test_a_thread_that_an_import_has_started_is_logged_once_and_nothing_starts_anew_in_vain(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(os, "execv", lambda *_: pytest.fail("it started anew"))
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("a process was forked"))
    asked, requests = ends
    ending = threading.Event()
    threading.Thread(target=ending.wait, name="telemetry").start()
    try:
        with asked, requests:
            assert ask(ForkServer(requests), asked, times=3) == [REFUSED] * 3
    finally:
        ending.set()
    (line,) = [record.message for record in caplog.records if "worker.does-not-fork" in record.message]
    assert line.endswith('reason="a module that it has imported started a thread: telemetry"')


@pytest.fixture
def served(ends: tuple[socket.socket, socket.socket]) -> Iterator[Callable[[Callable[[socket.socket], None]], bytes]]:
    """Serve one request, after `before` was called with the socket of its task; return what the task is told."""
    asked, requests = ends

    def serve(before: Callable[[socket.socket], None]) -> bytes:
        server = ForkServer(requests)
        answers, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with answers:
            socket.send_fds(asked, [Request("id", "backup").encode()], [theirs.fileno()])
            theirs.close()
            asked.close()
            before(answers)
            assert server.serve() is None
            return b"" if answers.fileno() < 0 else answers.recv(32)

    with asked, requests:
        yield serve


def test_nothing_is_forked_for_a_task_that_waits_no_more(
    served: Callable[[Callable[[socket.socket], None]], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("a process was forked"))
    served(socket.socket.close)


@pytest.mark.parametrize("call", ["fork", "pidfd_open"])
def test_a_limit_of_processes_or_files_refuses_the_run_and_ends_no_other(
    served: Callable[[Callable[[socket.socket], None]], bytes], monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def refuse(*_: object) -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(os, call, refuse)
    if call == "pidfd_open":
        monkeypatch.setattr(os, "fork", lambda: pytest.fail("a process was forked"))
    assert int(served(lambda _: None)) == REFUSED


def test_a_request_without_a_descriptor_is_a_refusal(
    served: Callable[[Callable[[socket.socket], None]], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.recv_fds

    def recv_fds(*args: Any) -> Any:
        message, descriptors, *rest = real(*args)
        for descriptor in descriptors:
            os.close(descriptor)
        return message, [], *rest

    monkeypatch.setattr(socket, "recv_fds", recv_fds)
    assert served(lambda _: None) == b""
