"""Running a run in a process of its own, and seeing to it that the process ends and its row with it."""

import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseProblem
from django.db import connection
from django.utils import timezone

from backups.lib import audit
from backups.lib.processes import descendants, identity, kill_all
from backups.models import Run
from backups.runs import finish
from backups.runs.queue.queues import release, reserve
from backups.runs.recovery.reap import recover
from backups.runs.registry import RunKind

BUSY = os.EX_TEMPFAIL  # exit code of a run that stays queued because its instance is in use
POLL_SECONDS = 0.05
LOOK_SECONDS = 1.0
# The process ends itself when it is cancelled or its time is up; this much later it is made to.
MARGIN_SECONDS = 20


def supervise(kind: RunKind[Any], run: Run) -> str:
    """Take the queued `run`, which this process has reserved, to its end in a child; return the status it has then.

    Whatever ends this function ends the child too: SIGTERM, then SIGKILL to it and all it started.
    """
    process = _start(kind, run)
    child = identity(process.pid)
    why_ended = "the worker was told to end"
    try:
        why_ended = _watch(process, run)
    finally:
        _end(process, kind.ending_seconds)
        run.refresh_from_db()
        _record(run, child, process.returncode, why_ended)
    return str(run.status)


def _start(kind: RunKind[Any], run: Run) -> "subprocess.Popen[bytes]":
    paths = [path for path in sys.path if path]
    return subprocess.Popen(
        [sys.executable, "-m", "django", "runexecution", run.pk, "--kind", kind.noun, "--parent", str(os.getpid())],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "DJANGO_SETTINGS_MODULE": settings.SETTINGS_MODULE},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


def _has_ended(process: "subprocess.Popen[bytes]") -> bool:
    """True when it has ended; it stays a zombie, so that its number cannot become somebody else's."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _watch(process: "subprocess.Popen[bytes]", run: Run) -> str:
    """Wait for the end; return why it has to be made to end, or nothing when it did by itself."""
    deadline = time.monotonic() + settings.BACKUP_TIMEOUT + MARGIN_SECONDS
    look_at = time.monotonic() + LOOK_SECONDS
    while not _has_ended(process):
        now = time.monotonic()
        if now > deadline:
            return f"it ran longer than {settings.BACKUP_TIMEOUT} seconds"
        if now > look_at:
            look_at = now + LOOK_SECONDS
            if _ignores_cancel(run):
                return "it was cancelled"
        time.sleep(POLL_SECONDS)
    return ""


def _ignores_cancel(run: Run) -> bool:
    """True when it was cancelled some time ago and still runs. Keeps it reserved while it has not begun."""
    long_ago = timezone.now() - timedelta(seconds=MARGIN_SECONDS)
    rows = type(run).objects.filter(pk=run.pk)
    try:
        if run.status == Run.Status.QUEUED and not reserve(run):
            run.refresh_from_db(fields=["status", "reserved_at"])
        return rows.filter(status=Run.Status.RUNNING, cancel_requested_at__lt=long_ago).exists()
    except DatabaseProblem as error:
        # the child has the same trouble, and gives up by itself when it lasts
        audit.log(f"{run.noun}.watch-failed", logging.WARNING, execution=run.pk, error=error)
        connection.close()
        return False


def _end(process: "subprocess.Popen[bytes]", seconds: float) -> None:
    """End the process if it lives: SIGTERM, and after `seconds` SIGKILL, to it and all that it started."""
    if not _has_ended(process):
        process.terminate()
        deadline = time.monotonic() + seconds
        while not _has_ended(process) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        if not _has_ended(process):
            kill_all([*descendants(process.pid), process.pid])
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # what it left behind
    process.wait()


def _record(run: Run, child: str, returncode: int, why_ended: str) -> None:
    """Write the end into a row that its process left running, or could not even claim."""
    how = _ending(returncode)
    if run.status == Run.Status.RUNNING and run.process == child:
        recover(run, f"{why_ended}; its process {how}" if why_ended else f"its process {how}")
    elif run.status == Run.Status.QUEUED and run.reserved_by == identity():
        if why_ended or returncode == BUSY:
            release(run)
        else:
            finish.unstarted(run, f"its process {how} before it began", "the reason is in the log of the worker")


def _ending(returncode: int) -> str:
    if returncode >= 0:
        return f"ended with exit code {returncode}"
    return f"was killed by {signal.Signals(-returncode).name}"
