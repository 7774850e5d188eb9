"""Work in a second process: its result, what happens when that process does not get there, and its end."""

import os
import signal
import time
from pathlib import Path

import pytest

from backups.errors import Cancelled, ComponentError
from backups.lib import beside as module
from backups.lib.beside import Checkpoint, beside


def ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_work_is_done_in_another_process_and_its_result_comes_back() -> None:
    text = os.fsdecode(b"\xff") * 200_000
    with beside(lambda _: [os.getpid(), text]) as result:
        pid, found = result()
    assert found == text
    assert pid != os.getpid()
    assert ended(pid)


def test_work_whose_process_is_killed_is_done_here(tmp_path: Path) -> None:
    def work(_: Checkpoint) -> int:
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return os.getpid()

    here = os.getpid()
    with beside(work) as result:
        assert result() == here


def test_an_answer_that_was_cut_off_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_answer", lambda work, writing, _parent: (os.write(writing, b"[12]"), os._exit(1)))
    with beside(lambda _: 123) as result:
        assert result() == 123


def test_work_is_done_here_where_no_process_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def fork() -> int:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(os, "fork", fork)
    with beside(lambda _: os.getpid()) as result:
        assert result() == os.getpid()


def test_an_error_of_the_work_is_raised_here() -> None:
    def work(_: Checkpoint) -> None:
        raise ComponentError("It vanished.")

    with pytest.raises(ComponentError, match=r"^It vanished\.$"), beside(work) as result:
        result()


def test_a_stop_while_it_waits_ends_the_other_process(tmp_path: Path) -> None:
    told = tmp_path / "told"

    def work(_: Checkpoint) -> None:
        told.write_text(str(os.getpid()))
        time.sleep(60)

    def stop(_: int) -> None:
        if told.exists() and told.read_text():
            raise Cancelled("enough")

    with pytest.raises(Cancelled, match=r"^enough$"), beside(work) as result:
        result(stop)
    assert ended(int(told.read_text()))


def test_a_complete_answer_is_used_though_another_process_holds_the_pipe_open(monkeypatch: pytest.MonkeyPatch) -> None:
    real, held = os.pipe, list[int]()

    def pipe() -> tuple[int, int]:
        reading, writing = real()
        # as a process does that another thread forks between two steps of this one
        held.append(os.dup(writing))
        return reading, writing

    def stop(_: int) -> None:
        raise Cancelled("it waits for the end of the pipe")

    monkeypatch.setattr(os, "pipe", pipe)
    with beside(lambda _: 12) as result:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        assert result(stop) == 12
    os.close(held[0])
