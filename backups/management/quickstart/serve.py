"""Run the web server and a worker as child processes, and terminate them together."""

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
from backups.lib.processes import set_parent_death_signal
from destinations.lib.os_signals import signal_handler

GRACE_SECONDS = 30
POLL_SECONDS = 0.2


class StopSignal:
    """A signal handler that records that the process has to end."""

    def __init__(self) -> None:
        self.received = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self.received = True


def require_free(host: str, port: int) -> None:
    """Raise BackupError when the web server could not listen at that address."""
    try:
        with socket.create_server((host, port)):
            return
    except OSError as error:
        # strerror of create_server repeats the address; errno of an unknown host name is not one of the system
        reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        raise BackupError(
            f"Cannot listen at {host}:{port}: {reason}.", hint="Choose another address with --bind."
        ) from error


@contextmanager
def children(commands: dict[str, list[str]]) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Start the commands, and terminate them at the end; after GRACE_SECONDS they are killed."""
    running: dict[str, subprocess.Popen[bytes]] = {}
    die_with_us = partial(set_parent_death_signal, os.getpid(), signal.SIGTERM)
    try:
        for name, argv in commands.items():
            # in a session of its own: Ctrl-C reaches only this process, which terminates them in order
            running[name] = subprocess.Popen(argv, start_new_session=True, preexec_fn=die_with_us)
        yield running
    finally:
        for process in running.values():
            if process.poll() is None:
                # the leader only: a cluster whose processes all get SIGTERM at once hangs
                process.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        for process in running.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def serve(host: str, port: int) -> str | None:
    """Serve until a signal to end. Return None after that, or a text when a child process has ended by itself."""
    stop = StopSignal()
    commands = {
        "The web server": [
            sys.executable, "-m", "gunicorn", "backupsite.wsgi", "--bind", f"{host}:{port}",
            "--workers", "2", "--timeout", "600", "--log-level", "warning",
        ],
        "The worker": [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), "worker"],
    }  # fmt: skip
    with signal_handler(stop), children(commands) as running:
        while not stop.received:
            for name, process in running.items():
                if (code := process.poll()) is not None:
                    return f"{name} ended with exit code {code}"
            time.sleep(POLL_SECONDS)
    return None
