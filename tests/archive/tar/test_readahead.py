"""Read-ahead by a thread: chunks in order, errors in their place, and no thread left at the end."""

import threading
from collections.abc import Iterator

import pytest

from backups.archive.errors import ArchiveError
from backups.archive.tar.readahead import read_ahead


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "decompress"]


def test_every_chunk_comes_in_order() -> None:
    wanted = [bytes([number % 256]) * number for number in range(1, 300)]
    with read_ahead(iter(wanted)) as chunks:
        assert list(chunks) == wanted
    assert readers() == []


def test_an_error_comes_behind_the_chunks_before_it() -> None:
    def source() -> Iterator[bytes]:
        yield b"one"
        yield b"two"
        raise ArchiveError("The archive is truncated.")

    with read_ahead(source()) as chunks:
        assert (next(chunks), next(chunks)) == (b"one", b"two")
        with pytest.raises(ArchiveError, match=r"^The archive is truncated\.$"):
            next(chunks)
    assert readers() == []


def test_leaving_early_ends_the_thread_after_few_chunks() -> None:
    drawn: list[int] = []

    def endless() -> Iterator[bytes]:
        while True:
            drawn.append(1)
            yield bytes(1000)

    with pytest.raises(ZeroDivisionError), read_ahead(endless()) as chunks:
        for _ in range(5):
            next(chunks)
        raise ZeroDivisionError
    assert readers() == []
    assert 5 <= len(drawn) <= 9


def test_a_thread_that_waits_for_a_silent_program_does_not_delay_the_caller() -> None:
    silent = threading.Event()

    def source() -> Iterator[bytes]:
        yield b"one"
        silent.wait(30)
        yield b"two"

    with read_ahead(source()) as chunks:
        assert next(chunks) == b"one"
    (reader,) = readers()
    silent.set()
    reader.join(10)
    assert not reader.is_alive()
