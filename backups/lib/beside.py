"""Work in a second process beside that of this one.

Python runs one thread at a time, and work on many small files is nearly all Python: threads only make it slower.
"""

import gc
import json
import os
import select
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from backups.lib.processes import set_parent_death_signal

Checkpoint = Callable[[int], None]
# of the wait for the other process, between two calls of `checkpoint`
POLL_MILLISECONDS = 100
BLOCK = 1 << 16
# of a list in JSON: an answer without it was cut off
END = b"]\n"


@contextmanager
def beside(work: Callable[[Checkpoint], Any]) -> Iterator[Callable[..., Any]]:
    """Do `work` in a fork of this process, beside the block; it may use neither locks nor the database there.

    Yields a function that waits for what `work` returns, something that JSON can hold. It calls the checkpoint that it
    is given with 0 meanwhile, which may raise. Where the process cannot be started, is killed or fails, that function
    does `work` here with that checkpoint, and raises what it raises. The other process ends with the block.
    """
    parent = os.getpid()
    reading, writing = os.pipe()
    try:
        child = _fork()
        if child == 0:
            _answer(work, writing, parent)
        os.close(writing)

        def result(checkpoint: Checkpoint = lambda _: None) -> Any:
            answer = _read(reading, checkpoint)
            return json.loads(answer)[0] if answer.endswith(END) else work(checkpoint)

        try:
            yield result
        finally:
            if child is not None:
                with suppress(ProcessLookupError, ChildProcessError):
                    os.kill(child, signal.SIGKILL)
                    os.waitpid(child, 0)
    finally:
        os.close(reading)


def _fork() -> int | None:
    """Fork; return None where there is no memory for that."""
    with warnings.catch_warnings():
        # of Python 3.12: other threads of this process may hold locks, none of which the child takes
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return os.fork()
        except OSError:
            return None


def _answer(work: Callable[[Checkpoint], Any], writing: int, parent: int) -> NoReturn:
    """Write what `work` returns, and end this process without the handlers of its parent."""
    code = 1
    try:
        # objects of the parent, such as connections, must not be finalized here
        gc.disable()
        set_parent_death_signal(parent)
        answer = json.dumps([work(lambda _: None)]).encode() + b"\n"
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(answer)
        code = 0
    finally:
        os._exit(code)


def _read(reading: int, checkpoint: Checkpoint) -> bytes:
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    answer = b""
    while True:
        if not poll.poll(POLL_MILLISECONDS):
            checkpoint(0)
        elif piece := os.read(reading, BLOCK):
            answer += piece
            # a process that another thread forked meanwhile may hold the pipe open for long
            if answer.endswith(END):
                return answer
        else:
            return answer
