"""A program that runs with pipes to it, and is killed when it neither takes nor gives anything for STALL_SECONDS."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import IO

from backups.archive.encryption.base import EncryptionError
from destinations.lib.operator_error import sentences
from destinations.lib.redaction import MARGIN, redact_cut
from destinations.lib.secret_names import is_own_variable

# one that asks a question which nobody sees
STALL_SECONDS = 120.0
LOOK_SECONDS = 1.0
_BLOCK = 256 * 1024
_COMPLAINT_LENGTH = 2000
# a character of UTF-8 has up to four
_COMPLAINT_BYTES = 4 * (_COMPLAINT_LENGTH + MARGIN + 1)


def environment() -> dict[str, str]:
    """Return our environment without the site's own settings: the program needs none of its secrets."""
    return {name: value for name, value in os.environ.items() if not is_own_variable(name)}


def read_some(pipe: IO[bytes] | None) -> bytes:
    """Return what is there, at most a block; nothing at the end."""
    return pipe.read(_BLOCK) if pipe is not None else b""


class Running:
    """A running program in a session of its own; the end of what it says on standard error is kept."""

    def __init__(self, argv: Sequence[str], stdin: int | IO[bytes]) -> None:
        self.name = Path(argv[0]).name
        try:
            self.process = subprocess.Popen(
                list(argv), bufsize=0, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=environment(), start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise EncryptionError(
                f"The program {argv[0]} cannot be started: {error.strerror}.", hint="Install it, or correct its path."
            ) from error
        self._complaint = b""
        self._moved_at = time.monotonic()
        self._listener = Thread(target=self._listen, name=f"{self.name}-stderr")
        self._listener.start()

    def _listen(self) -> None:
        while heard := read_some(self.process.stderr):
            self._complaint = (self._complaint + heard)[-_COMPLAINT_BYTES:]

    def moved(self) -> None:
        """Note that something went through."""
        self._moved_at = time.monotonic()

    def check_moving(self) -> None:
        """Raise EncryptionError, and kill the program, when nothing went through for too long."""
        if time.monotonic() - self._moved_at > STALL_SECONDS:
            self.kill()
            raise self.failure(f"did nothing for {STALL_SECONDS:.0f} seconds")

    def await_ready(self, pipe: IO[bytes], event: int) -> None:
        """Wait until something can be read from `pipe`, or written to it."""
        poll = select.poll()
        poll.register(pipe, event)
        while not poll.poll(LOOK_SECONDS * 1000):
            self.check_moving()

    def wait(self) -> None:
        """Wait for the end of the program; raise EncryptionError unless it ends well."""
        while (code := self._ended()) is None:
            self.check_moving()
        self._listener.join()
        if code != 0:
            raise self.failure(f"failed with exit status {code}" if code > 0 else f"was ended by signal {-code}")

    def _ended(self) -> int | None:
        try:
            return self.process.wait(LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            return None

    def failure(self, what: str) -> EncryptionError:
        self._listener.join()
        said = " ".join(redact_cut(self._complaint.decode("utf-8", "replace"), last=_COMPLAINT_LENGTH).split())
        return EncryptionError(
            sentences(f"The program {self.name} {what}{f': {said}' if said else ''}"),
            hint="Try it by hand with the same user; see docs/encryption.md for what it has to do.",
        )

    def kill(self) -> None:
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._listener.join()

    def close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
