"""Running the site and its workers as children of one foreground process, and ending them together."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType

from django.conf import settings

from backups.errors import BackupError
from backups.lib.processes import die_with
from destinations.lib.os_signals import handled

GRACE_SECONDS = 30
POLL_SECONDS = 0.2


class Stop:
    """Becomes true when the process is asked to end."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True


def require_free(host: str, port: int) -> None:
    """Raise BackupError when nothing can listen at that address."""
    try:
        with socket.create_server((host, port)):
            return
    except OSError as error:
        # create_server repeats the address in its own text; the number of a name nobody knows is not one of the system
        reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        raise BackupError(f"cannot listen at {host}:{port}: {reason}", hint="choose another with --bind") from error


@contextmanager
def children(commands: dict[str, list[str]]) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Start the commands, each in a session of its own: a Ctrl-C reaches only us, and we end them in order.

    SIGTERM goes to the leader alone, because a whole group that is told at once leaves a cluster hanging.
    """
    running: dict[str, subprocess.Popen[bytes]] = {}
    die_with_us = partial(die_with, os.getpid(), signal.SIGTERM)
    try:
        for name, argv in commands.items():
            running[name] = subprocess.Popen(argv, start_new_session=True, preexec_fn=die_with_us)
        yield running
    finally:
        for process in running.values():
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        for process in running.values():
            _end(process, deadline)


def _end(process: "subprocess.Popen[bytes]", deadline: float) -> None:
    try:
        process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def serve(host: str, port: int) -> str | None:
    """Serve until a signal tells to end. Return None after that, or which part ended by itself and how."""
    stop = Stop()
    commands = {
        "the web server": [
            sys.executable, "-m", "gunicorn", "backupsite.wsgi", "--bind", f"{host}:{port}",
            "--workers", "2", "--timeout", "600", "--log-level", "warning",
        ],
        "the worker": [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), "worker"],
    }  # fmt: skip
    with handled(stop), children(commands) as running:
        while not stop.asked:
            for name, process in running.items():
                if (code := process.poll()) is not None:
                    return f"{name} ended with exit code {code}"
            time.sleep(POLL_SECONDS)
    return None
