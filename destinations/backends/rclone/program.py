"""The program: one process for each step, ended with all that it started."""

import fcntl
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple, cast

from destinations.exceptions import DestinationConfigError
from destinations.lib.secret_names import is_private_variable

PROGRAM = "rclone"
INSTALL = "apt install rclone"
# codes of rclone(1), "exit code"
MISSING_FOLDER, MISSING_FILE, TEMPORARY = 3, 4, 5
# of the variables of this process: where the configuration is, and how clouds and agents are logged in to
_GIVEN = ("RCLONE_CONFIG", "AWS_", "AZURE_", "GOOGLE_", "SSH_AUTH_SOCK", "KRB5")
# a line of the configuration, which may hold a password
_QUOTED = re.compile(r"(could not parse line:).*")
# what it says on standard error, without the time that stands before it
_STAMP = re.compile(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d (?:(?:ERROR|NOTICE|CRITICAL) *: )?(?:: )?")
LOOK_SECONDS = 1
# after the last byte: a remote may copy the whole file to give it its name, or read it to compute a checksum
LONGEST_SECONDS = 3600
_KEPT_BYTES = 16_384
_KEPT_LINES = 3
# of a pipe: with the 64 KiB of the system both ends wait for each other all the time
_PIPE_BYTES = 1 << 20


class RcloneFailed(Exception):  # noqa: N818 - named for what happened
    """It ended with an error: its exit code, and the last of what it said."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(code, said)
        self.code, self.said = code, said

    @property
    def is_missing(self) -> bool:
        """Whether what it was asked about is not there."""
        # no other text counts: "no such file or directory" may be about a file of keys, and a listing would be empty;
        # `deletefile` of version 1.60 has no code of its own
        return self.code in (MISSING_FOLDER, MISSING_FILE) or self.said.endswith("is a directory or doesn't exist")


class Ends(NamedTuple):
    """The standard input, output and error of the program; the last is a file."""

    into: IO[bytes]
    output: IO[bytes]
    errors: IO[bytes]


class Rclone:
    """Runs the program with one configuration. `kill` may be called from every thread."""

    def __init__(self, *, config_file: str, config_password: str, timeout: float) -> None:
        self._environment = dict(_environment(os.environ))
        if config_file:
            self._environment["RCLONE_CONFIG"] = config_file
        if config_password:
            # an argument could be read in the list of processes
            self._environment["RCLONE_CONFIG_PASS"] = config_password
        self._flags = [
            "--ask-password=false",
            # this program retries, and says so
            "--retries=1",
            "--low-level-retries=2",
            "--stats=0",
            f"--contimeout={timeout}s",
            f"--timeout={timeout}s",
        ]
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()

    def call(self, *words: str, alive: Callable[[], None] = lambda: None) -> bytes:
        """Return what it prints, little. Raises `RcloneFailed`.

        `alive` is called each second and may raise: for what may take an hour, such as the copy of a whole file.
        """
        with self.started(*words, alive=alive) as ends:
            _wait_for(ends.output, alive)
            return ends.output.read()

    def said(self, *words: str, alive: Callable[[], None] = lambda: None) -> str:
        """Return what it says of what it does, on standard error. Raises as `call` does."""
        with self.started("-v", *words, alive=alive) as ends:
            _wait_for(ends.output, alive)
            return _tail(ends.errors)

    @contextmanager
    def started(self, *words: str, alive: Callable[[], None] = lambda: None, fed: bool = False) -> Iterator[Ends]:
        """Give its ends, of which the first is open for one that is `fed`; when the block is left it is waited for.

        A block that ends by an error kills it. Raises `RcloneFailed`.
        """
        self._require_config()
        program = shutil.which(PROGRAM)
        if program is None:
            raise DestinationConfigError("The program rclone is not installed here.", f"Install it: {INSTALL}.")
        with tempfile.TemporaryFile() as errors:
            with self._lock:
                process = subprocess.Popen(
                    [program, *self._flags, *words],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=self._environment,
                    # a group of its own: it starts programs too
                    start_new_session=True,
                    umask=0o077,
                )
                self._running.add(process)
            broken = False
            try:
                with cast(IO[bytes], process.stdin) as into, cast(IO[bytes], process.stdout) as output:
                    for pipe in (into, output):
                        # the system has a limit for all pipes of a user
                        with suppress(OSError):
                            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
                    if not fed:
                        # a remote that asks for a password is told that none comes
                        into.close()
                    try:
                        yield Ends(into, output, errors)
                        into.close()
                        # its end, more exactly than `wait` with a timeout finds it, which looks every 50 ms
                        select.select([output], [], [], LOOK_SECONDS)
                    except BrokenPipeError:
                        # it ended before it had read all: why, it says itself
                        broken = True
                    code = _end_of(process, alive)
            except BrokenPipeError:
                # what closes the pipe once more finds it broken once more
                code = _end_of(process, alive)
            except BaseException:
                self._kill(process)
                process.wait()
                raise
            finally:
                with self._lock:
                    self._running.discard(process)
            if code or broken:
                raise RcloneFailed(code, _last_lines(errors))

    def _require_config(self) -> None:
        """Raise `DestinationConfigError` for a device or a pipe, of which there is no end to read."""
        file = self._environment.get("RCLONE_CONFIG", "")
        if file and Path(file).exists() and not Path(file).is_file():
            raise DestinationConfigError(
                f"The configuration file {file} of rclone is not a file.",
                "Check the option config_file.",
                "config_file",
            )

    def kill(self) -> None:
        with self._lock:
            running = list(self._running)
        for process in running:
            self._kill(process)

    @staticmethod
    def _kill(process: "subprocess.Popen[bytes]") -> None:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _wait_for(output: IO[bytes], alive: Callable[[], None]) -> None:
    """Wait until it prints, which is the last thing it does, or ends."""
    for _ in range(LONGEST_SECONDS):
        if select.select([output], [], [], LOOK_SECONDS)[0]:
            return
        alive()
    raise TimeoutError


def _end_of(process: "subprocess.Popen[bytes]", alive: Callable[[], None]) -> int:
    """Return its exit code: what it still has to send it sends within its own timeouts, which may take long in all."""
    for _ in range(LONGEST_SECONDS):
        try:
            return process.wait(LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            alive()
    raise TimeoutError


def _environment(own: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in own.items():
        # other RCLONE_ variables are options, such as one that writes nothing (RCLONE_DRY_RUN)
        is_option = name.startswith("RCLONE_")
        if name.startswith(_GIVEN) or not (is_option or is_private_variable(name)):
            yield name, value


def _tail(errors: IO[bytes]) -> str:
    errors.seek(max(errors.seek(0, os.SEEK_END) - _KEPT_BYTES, 0))
    return errors.read().decode(errors="replace")


def _last_lines(errors: IO[bytes]) -> str:
    lines = [_QUOTED.sub(r"\1 it is not shown", _STAMP.sub("", line)).strip() for line in _tail(errors).splitlines()]
    return " | ".join(list(dict.fromkeys(filter(None, lines)))[-_KEPT_LINES:])
