"""Restores in processes of their own that die at a chosen moment, as when the machine loses its power."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.support.paths import PROJECT
from tests.support.processes.prepared import Prepared
from tests.support.processes.project_programs import PATIENCE_SECONDS, environment

FORKING = """
import json, os, signal, sys, time
os.environ["DJANGO_SETTINGS_MODULE"] = "backupsite.settings"
import django
django.setup()
from importlib import import_module
from django.core.management import call_command

def die_at(target, nth, how, after):
    module, _, name = target.rpartition(".")
    try:
        owner = import_module(module)
    except ModuleNotFoundError:
        module, _, owner = module.rpartition(".")
        owner = getattr(import_module(module), owner)
    wrapped, left = getattr(owner, name), [nth]
    def strike(*arguments, **options):
        left[0] -= 1
        result = wrapped(*arguments, **options) if after or left[0] else None
        if not left[0]:
            os.kill(os.getpid(), how)
            time.sleep(0.05)
            result = result if after else wrapped(*arguments, **options)
        return result
    setattr(owner, name, strike)

for line in sys.stdin:
    order = json.loads(line)
    if (pid := os.fork()) == 0:
        code = 0
        try:
            for moment in order["moments"]:
                die_at(*moment)
            call_command("runexecution", order["id"], "--kind", order["kind"])
        except SystemExit as end:
            code = end.code
        except BaseException as error:
            print("raised", type(error).__name__, error, flush=True)
            code = 1
        os._exit(code)
    print("forked", pid, flush=True)
    print("ended", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""
Moment = tuple[str, int, int, bool]


def killed_at(
    owner: ModuleType | type, name: str, nth: int = 1, *, after: bool = False, how: int = signal.SIGKILL
) -> Moment:
    """Die when `name` of a module or class is called the nth time, before it did anything or after it was done."""
    assert callable(getattr(owner, name))
    path = f"{owner.__module__}.{owner.__qualname__}" if isinstance(owner, type) else owner.__name__
    return f"{path}.{name}", nth, how, after


class Victims:
    """A process that has Django loaded and forks a child for each run: many rounds, one start of Python."""

    def __init__(self, home: Path) -> None:
        self.process = Prepared(
            [sys.executable, "-c", FORKING],
            cwd=PROJECT, env=environment(home), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.log: list[str] = []

    def __enter__(self) -> "Victims":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.process.communicate(timeout=PATIENCE_SECONDS)

    def begin(self, run: Any, *moments: Moment) -> int:
        """Begin `run` in a child and return its process id as soon as it has claimed the run."""
        assert self.process.stdin is not None
        self.log = []
        order = {"id": run.pk, "kind": run.noun, "moments": moments}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        while not any("stage=fetching" in line for line in self.log) or not any("forked" in line for line in self.log):
            self._read()
        return next(int(line.split()[1]) for line in self.log if line.startswith("forked"))

    def wait(self) -> int:
        """Return the exit code of the child, when it has ended."""
        while not self.log[-1].startswith("ended"):
            self._read()
        return int(self.log[-1].split()[1])

    def run(self, run: Any, *moments: Moment) -> int:
        self.begin(run, *moments)
        return self.wait()

    def kill(self, run: Any, seconds: float, how: int = signal.SIGKILL) -> int:
        """Send a signal that long after the run was claimed; return the exit code."""
        pid = self.begin(run)
        time.sleep(seconds)
        with suppress(ProcessLookupError):
            os.kill(pid, how)
        return self.wait()

    def _read(self) -> None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"it ended unexpectedly: {self.log}"
        self.log.append(line)
