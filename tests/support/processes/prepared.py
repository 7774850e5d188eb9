"""Python programs of the project without the half second in which each imports the same.

Such a process is forked from one that has imported what does not depend on settings: Django, libraries, plain modules
of the project. The rest, with the settings, models and system checks, it does itself. Start-up by itself, options of
Python and terminals are tested with ``subprocess.Popen``.
"""

import atexit
import fcntl
import inspect
import json
import os
import select
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, AnyStr

from tests.support.paths import PROJECT

SERVER = Path(__file__).with_name("prepared_server.py")
# they change the interpreter, which is started with them; the program reads the rest of the environment
OF_INTERPRETER = ("PYTHON", "LANG", "LC_", "LD_", "MALLOC_", "GLIBC_")
# what a child sees to by itself, and what has servers of its own: the rest is wanted too seldom for one
OF_CHILD = {("PYTHONPATH", str(PROJECT)), ("PYTHONUNBUFFERED", "1")}
OF_SERVER = {("PYTHONWARNINGS", "error"), *((name, value) for name, value in os.environ.items() if name == "LANG")}
PIPES = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
# room for what /proc/PID/environ shows of a child
PADDING = {"PADDING": " " * 16_384}


def take_terminal() -> None:
    """In the child, which leads a session of its own: make standard input its controlling terminal (tty_ioctl(4))."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class _Server:
    """The process that forks: one for each environment of the interpreter, in each process of pytest."""

    def __init__(self, env: dict[str, str]) -> None:
        self._lock = threading.Lock()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, str(SERVER), str(PROJECT), str(theirs.fileno())], cwd=PROJECT, env=env | PADDING,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[theirs.fileno()],
            )  # fmt: skip
        atexit.register(self._end)

    def answer(self, order: dict[str, Any], descriptors: list[int] | None = None) -> int:
        with self._lock:
            socket.send_fds(self._control, [json.dumps(order).encode()], descriptors or [])
            answer = self._control.recv(4096)
        assert answer, "the process that forks the others has ended"
        return int(answer)

    def _end(self) -> None:
        self._control.close()
        self._process.wait()


_servers: dict[frozenset[tuple[str, str]], _Server] = {}


def _server_for(argv: Sequence[str], env: dict[str, str]) -> _Server | None:
    """Return the server that can fork `argv`; None where Python has to be started."""
    own = {variable for variable in env.items() if variable[0].startswith(OF_INTERPRETER)} - OF_CHILD
    if env.get("PYTHONPATH", "").startswith(f"{PROJECT}:"):
        own.remove(("PYTHONPATH", env["PYTHONPATH"]))
    if argv[0] != sys.executable or (argv[1].startswith("-") and argv[1] not in ("-c", "-m")) or own - OF_SERVER:
        return None
    key = frozenset(own)
    if key not in _servers:
        _servers[key] = _Server(dict(own))
    return _servers[key]


class Prepared(subprocess.Popen[AnyStr]):
    """A `subprocess.Popen`, whose process is forked where it is ``[sys.executable, ...]`` without options of Python."""

    _server: _Server | None = None

    def _execute_child(self, *given: Any) -> None:
        names = [*inspect.signature(subprocess.Popen._execute_child).parameters][1:]  # type: ignore[attr-defined]
        options = dict(zip(names, given, strict=True))
        argv = [os.fspath(argument) for argument in options["args"]]
        env = dict(os.environ if options["env"] is None else options["env"])
        self._server = _server_for(argv, env)
        if self._server is None:
            super()._execute_child(*given)  # type: ignore[misc]
            return
        assert options["preexec_fn"] in (None, take_terminal), "a process that is forked cannot do this first"
        streams = [options["p2cread"], options["c2pwrite"], options["errwrite"]]
        streams = [number if stream == -1 else stream for number, stream in enumerate(streams)]
        order = {
            "argv": argv[1:],
            "env": env,
            "cwd": os.fspath(options["cwd"] or Path.cwd()),
            "session": options["start_new_session"],
            "terminal": options["preexec_fn"] is take_terminal,
            "umask": _umask(),
            "numbers": [0, 1, 2, *options["pass_fds"]],
        }
        self.pid = self._server.answer(order, [*streams, *options["pass_fds"]])
        self._child_created = True
        # readable as soon as the process has ended; it stays a zombie until it is reaped here
        self._ended = os.pidfd_open(self.pid)
        self._close_pipe_fds(*(options[name] for name in PIPES))  # type: ignore[attr-defined]

    def _internal_poll(self, _deadstate: int | None = None, **_: Any) -> int | None:
        if self._server is None:
            return super()._internal_poll(_deadstate)  # type: ignore[misc, no-any-return]
        try:
            return self._wait(0)
        except subprocess.TimeoutExpired:
            return None
        except OSError:
            # the end of this process took the other one with it
            if _deadstate is None:
                raise
            self.returncode = _deadstate
            return _deadstate

    def _wait(self, timeout: float | None) -> int | None:
        if self._server is None:
            return super()._wait(timeout)  # type: ignore[misc, no-any-return]
        if self.returncode is None:
            poll = select.poll()
            poll.register(self._ended, select.POLLIN)
            if not poll.poll(None if timeout is None else max(0, timeout) * 1000):
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            with self._waitpid_lock:
                if self.returncode is None:
                    self.returncode = os.waitstatus_to_exitcode(self._server.answer({"reap": self.pid}))
                    os.close(self._ended)
        return self.returncode


def run(argv: list[str], env: dict[str, str], timeout: float = 60) -> "subprocess.CompletedProcess[str]":
    """Run ``python *argv`` in the folder of the project to its end, and return what it prints."""
    with Prepared(
        [sys.executable, *argv], cwd=PROJECT, env=env, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(argv, process.returncode, out, err)


def _umask() -> int:
    lines = Path("/proc/thread-self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("Umask")).split()[1], 8)
