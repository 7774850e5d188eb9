"""Blocks that are compressed behind their writer: the threads and files of that end, whatever happens."""

import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from threading import enumerate as threads
from types import FrameType
from typing import Any, cast

import pytest

from backups.archive.compression.write import BLOCK_BYTES, Compressor, compressor
from backups.archive.tar.growing import Growing
from backups.components import ExportedPart
from backups.runs.progress import Monitor
from backups.service.backup import pack
from backups.service.backup.pack import Bodies


@pytest.fixture
def packing() -> Iterator[Compressor]:
    with compressor("gzip", 1) as packing:
        yield packing


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    path = tmp_path / "export" / "a.db"
    path.parent.mkdir()
    path.write_bytes(bytes(BLOCK_BYTES))
    return path


@pytest.fixture
def bodies(tmp_path: Path, packing: Compressor, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bodies]:
    class Quiet:
        def advance(self, delta: int) -> None:
            pass

    monkeypatch.setattr(pack, "GROWING_BYTES", 1)
    (tmp_path / "packed").mkdir()
    bodies = Bodies(tmp_path / "packed", packing, cast(Monitor, Quiet()))
    yield bodies
    bodies.stop()


def ahead() -> int:
    return sum(thread.name == "compress-ahead" for thread in threads())


class Signal(BaseException):
    pass


@pytest.mark.parametrize("event", range(1, 12))
def test_a_signal_at_any_moment_of_a_step_leaves_no_thread_waiting(
    copy: Path, tmp_path: Path, packing: Compressor, event: int
) -> None:
    growing = Growing(copy, tmp_path / "body", packing)
    left = event

    def trace(_frame: FrameType, _event: str, _argument: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            raise Signal
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        growing.written(BLOCK_BYTES)
    except Signal:
        pass
    finally:
        sys.settrace(before)
    stopping = Thread(target=growing.stop, daemon=True)
    stopping.start()
    stopping.join(5)
    assert not stopping.is_alive()


def test_of_many_databases_that_wait_only_a_few_have_a_thread_and_an_open_file(bodies: Bodies, copy: Path) -> None:
    parts = [copy.with_name(f"{number}.db") for number in range(pack.MOST_GROWING + 3)]
    for path in parts:
        path.write_bytes(bytes(BLOCK_BYTES))
        bodies.written(path, BLOCK_BYTES)
    assert ahead() == pack.MOST_GROWING
    for path in parts:
        assert bodies.pack(ExportedPart("a", path, path.name, "database")).size_bytes == BLOCK_BYTES
    # those that are packed make room for others
    bodies.written(copy, BLOCK_BYTES)
    assert ahead() == 1


def test_a_copy_that_is_removed_leaves_neither_thread_nor_file(bodies: Bodies, copy: Path, tmp_path: Path) -> None:
    bodies.written(copy, BLOCK_BYTES)
    bodies.forget_removed()
    assert ahead() == 1
    copy.unlink()
    bodies.forget_removed()
    assert (ahead(), [*(tmp_path / "packed").iterdir()]) == (0, [])
