"""Read-ahead: a thread decompresses the next chunk while the caller hashes and writes the last one."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue
from threading import Event, Thread

# with the one that each side works on, three chunks are in memory
CHUNKS_AHEAD = 1
JOIN_SECONDS = 2.0


@contextmanager
def read_ahead(chunks: Iterator[bytes]) -> Iterator[Iterator[bytes]]:
    """Yield an iterator over `chunks`, which a thread consumes ahead; at most three chunks are in memory.

    An error of `chunks` is raised in the place of its next chunk. The thread ends with the block, unless it waits for a
    program that writes nothing: then it ends with that program.
    """
    ready: Queue[bytes | BaseException | None] = Queue(CHUNKS_AHEAD)
    stopped = Event()

    def produce() -> None:
        try:
            for chunk in chunks:
                ready.put(chunk)
                if stopped.is_set():
                    return
            ready.put(None)
        except BaseException as error:
            ready.put(error)

    def consume() -> Iterator[bytes]:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    thread = Thread(target=produce, name="decompress", daemon=True)
    try:
        thread.start()
        yield consume()
    finally:
        stopped.set()
        until = time.monotonic() + JOIN_SECONDS
        while thread.is_alive() and time.monotonic() < until:
            # make room for a chunk that the thread waits to put
            while not ready.empty():
                ready.get_nowait()
            thread.join(0.01)
