"""A program with pipes that is killed when nothing passes through them for STALL_SECONDS."""

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

# a program may wait for the answer to a prompt
STALL_SECONDS = 120.0
POLL_SECONDS = 1.0
_BLOCK = 256 * 1024
_STDERR_LENGTH = 2000
# a character of UTF-8 has up to four bytes
_STDERR_BYTES = 4 * (_STDERR_LENGTH + MARGIN + 1)


def environment() -> dict[str, str]:
    """Return the environment without the settings of this site, which hold secrets that the program does not need."""
    return {name: value for name, value in os.environ.items() if not is_own_variable(name)}


def read_some(pipe: IO[bytes] | None) -> bytes:
    """Return what can be read, at most a block; nothing at the end."""
    return pipe.read(_BLOCK) if pipe is not None else b""


class Running:
    """A running program in its own session; the end of its standard error is kept for the error message."""

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
        self._stderr = b""
        self._moved_at = time.monotonic()
        # read at once: a full pipe would block the program
        self._stderr_reader = Thread(target=self._read_stderr, name=f"{self.name}-stderr")
        self._stderr_reader.start()

    def _read_stderr(self) -> None:
        while block := read_some(self.process.stderr):
            self._stderr = (self._stderr + block)[-_STDERR_BYTES:]

    def moved(self) -> None:
        """Record that data has passed through a pipe."""
        self._moved_at = time.monotonic()

    def check_moving(self) -> None:
        """Kill the program and raise EncryptionError when no data has passed for STALL_SECONDS."""
        if time.monotonic() - self._moved_at > STALL_SECONDS:
            self.kill()
            raise self.failure(f"did nothing for {STALL_SECONDS:.0f} seconds")

    def await_ready(self, pipe: IO[bytes], event: int) -> None:
        """Wait until `pipe` is ready for the poll(2) `event`; raises EncryptionError when the program stalls."""
        poll = select.poll()
        poll.register(pipe, event)
        while not poll.poll(POLL_SECONDS * 1000):
            self.check_moving()

    def wait(self) -> None:
        """Wait for the program to end; raises EncryptionError when it fails or stalls."""
        code: int | None = None
        while code is None:
            try:
                code = self.process.wait(POLL_SECONDS)
            except subprocess.TimeoutExpired:
                self.check_moving()
        self._stderr_reader.join()
        if code != 0:
            raise self.failure(f"failed with exit status {code}" if code > 0 else f"was ended by signal {-code}")

    def failure(self, what: str) -> EncryptionError:
        """Return the error "The program NAME `what`", with the end of its standard error."""
        self._stderr_reader.join()
        output = " ".join(redact_cut(self._stderr.decode("utf-8", "replace"), last=_STDERR_LENGTH).split())
        return EncryptionError(
            sentences(f"The program {self.name} {what}{f': {output}' if output else ''}"),
            hint="Run it by hand as the same user. docs/encryption.md describes what it has to do.",
        )

    def kill(self) -> None:
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._stderr_reader.join()

    def close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
