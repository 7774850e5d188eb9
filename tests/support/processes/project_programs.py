"""Programs of the project as processes of their own, on the database of the tests and the home of one of them."""

import io
import os
import subprocess
import sys
import threading
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from django.conf import settings
from django.core.management import ManagementUtility
from django.db import connection

from tests.support.paths import PROJECT
from tests.support.processes import prepared

PATIENCE_SECONDS = 60


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return the environment of a site that lives in `home`, with the database of the tests."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONWARNINGS": "error",
        "BACKUPSITE_HOME": str(home),
        "DATABASE_URL": f"sqlite:///{connection.settings_dict['NAME']}",
        "SECRET_KEY": settings.SECRET_KEY,
        "BACKUP_LOCK_TIMEOUT": str(settings.BACKUP_LOCK_TIMEOUT),
    } | more


def manage(home: Path, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run one command of manage.py to its end."""
    return prepared.run(["manage.py", *arguments], environment(home, **more), PATIENCE_SECONDS)


def manage_here(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run one command of manage.py as it does, for what it says: without the time that a process takes to start."""
    argv, code = ["manage.py", *arguments], 0
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            ManagementUtility(argv).fetch_command(arguments[0]).run_from_argv(argv)
        except SystemExit as end:
            code = int(end.code or 0)
    return subprocess.CompletedProcess(argv, code, out.getvalue(), err.getvalue())


def start(home: Path, *argv: str, **more: str) -> "subprocess.Popen[str]":
    """Start a Python program; whoever starts it waits for its end."""
    return prepared.Prepared(
        [sys.executable, *argv],
        cwd=PROJECT, env=environment(home, **more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


FORKING = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "backupsite.settings"
import django
django.setup()
from django.core.management import CommandError, call_command
for line in sys.stdin:
    if (pid := os.fork()) == 0:
        try:
            call_command("runexecution", line.strip())
        except CommandError as error:
            print(error, flush=True)
            os._exit(error.returncode)
        except SystemExit as end:
            os._exit(end.code)
        os._exit(0)
    print("forked", pid, flush=True)
    print("ended", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


class Forks:
    """A process that has Django loaded and forks a child for each run: many rounds, one start of Python."""

    def __init__(self, home: Path) -> None:
        self.log = ""
        self.process = prepared.Prepared(
            [sys.executable, "-c", FORKING],
            cwd=PROJECT, env=environment(home), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def __enter__(self) -> "Forks":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.process.communicate(timeout=PATIENCE_SECONDS)

    def begin(self, execution_id: str, until: str = "stage=preparing") -> int:
        """Run the execution in a child, wait until its log says `until`, and return the child's process id."""
        self.log = ""
        assert self.process.stdin is not None
        self.process.stdin.write(execution_id + "\n")
        self.process.stdin.flush()
        lines = []
        while not lines or not any("forked" in line for line in lines) or not any(until in line for line in lines):
            lines.append(self._line())
        return next(int(line.split()[1]) for line in lines if line.startswith("forked"))

    def wait(self) -> int:
        """Return the exit code of the child, when it has ended; one that does not end in time is killed."""
        patience = threading.Timer(PATIENCE_SECONDS, self.process.kill)
        patience.start()
        try:
            while not (line := self._line()).startswith("ended"):
                pass
        finally:
            patience.cancel()
        return int(line.split()[1])

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "it ended unexpectedly"
        self.log += line
        return line
