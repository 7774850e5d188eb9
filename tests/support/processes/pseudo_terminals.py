"""Commands on a pseudo terminal of their own, which is closed while they work, as when an SSH session ends."""

import os
from collections.abc import Sequence

from tests.support.paths import PROJECT
from tests.support.processes.prepared import Prepared, take_terminal

PATIENCE_SECONDS = 60


class OnTerminal:
    """A program in the foreground of a terminal, which it alone uses."""

    def __init__(self, argv: Sequence[str], environment: dict[str, str]) -> None:
        self._master, slave = os.openpty()
        try:
            self.process = Prepared(
                argv, cwd=PROJECT, env=environment, stdin=slave, stdout=slave, stderr=slave,
                start_new_session=True, preexec_fn=take_terminal,
            )  # fmt: skip
        finally:
            os.close(slave)

    def close(self) -> None:
        """The kernel sends SIGHUP to the session, and from now on refuses what is written."""
        os.close(self._master)

    def press(self, key: bytes) -> None:
        """Send a key, such as Ctrl-\\: the terminal turns it into a signal to all in the foreground."""
        os.write(self._master, key)

    def ended(self) -> int:
        return self.process.wait(timeout=PATIENCE_SECONDS)

    def text(self) -> str:
        """Return what was printed, once the command has ended."""
        printed = b""
        try:
            while block := os.read(self._master, 4096):
                printed += block
        except OSError:  # EIO: the end, for a terminal
            pass
        return printed.decode().replace("\r\n", "\n")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
