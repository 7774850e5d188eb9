"""Decompressing on another core what the caller is about to hash and to write."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue
from threading import Event, Thread

# one that waits, and one in the hands of either side
CHUNKS_AHEAD = 1
PATIENCE_SECONDS = 2.0


@contextmanager
def read_ahead(chunks: Iterator[bytes]) -> Iterator[Iterator[bytes]]:
    """Yield an iterator over `chunks`, which another thread draws meanwhile: at most three are in memory at once.

    What `chunks` raises is raised where its next chunk would have come. At the end of the block nobody reads any more,
    but for one who waits for a program that says nothing: it ends with that program.
    """
    ready: Queue[bytes | BaseException | None] = Queue(CHUNKS_AHEAD)
    left = Event()
    thread = Thread(target=_draw, args=(chunks, ready, left), name="decompress", daemon=True)
    try:
        thread.start()
        yield _drawn(ready)
    finally:
        left.set()
        until = time.monotonic() + PATIENCE_SECONDS
        while thread.is_alive() and time.monotonic() < until:
            _empty(ready)
            thread.join(0.01)


def _draw(chunks: Iterator[bytes], ready: "Queue[bytes | BaseException | None]", left: Event) -> None:
    try:
        for chunk in chunks:
            ready.put(chunk)
            if left.is_set():
                return
        ready.put(None)
    except BaseException as error:
        ready.put(error)


def _drawn(ready: "Queue[bytes | BaseException | None]") -> Iterator[bytes]:
    while (item := ready.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        yield item


def _empty(ready: "Queue[bytes | BaseException | None]") -> None:
    while not ready.empty():
        ready.get_nowait()
