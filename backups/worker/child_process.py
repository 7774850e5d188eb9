"""The child process of a run: started, watched, terminated if necessary, and its end recorded."""

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
CHECK_SECONDS = 1.0
# The child ends itself when it is cancelled or its time is up; this much later it is terminated.
MARGIN_SECONDS = 20


def supervise(kind: RunKind[Any], run: Run) -> str:
    """Run the queued `run`, which this process has reserved, in a child process; return its final status."""
    # the child imports what this process imports, whatever its working directory is
    paths = [path for path in sys.path if path]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "backups.management", "runexecution"),
            *(run.pk, "--kind", kind.noun, "--parent", str(os.getpid())),
        ],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "DJANGO_SETTINGS_MODULE": settings.SETTINGS_MODULE},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        # a signal to the group of the worker, as from a closed terminal, must not end the run at once
        start_new_session=True,
    )
    child = identity(process.pid)
    why_ended = "The worker was terminated"
    try:
        why_ended = _watch(process, run)
    finally:
        # also on an exception in this process: the child never outlives it
        _terminate(process, kind.ending_seconds)
        run.refresh_from_db()
        _record_end(run, child, process.returncode, why_ended)
    return str(run.status)


def _has_ended(process: "subprocess.Popen[bytes]") -> bool:
    """True when the process has ended. It stays a zombie, so that its pid cannot be reused."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _watch(process: "subprocess.Popen[bytes]", run: Run) -> str:
    """Wait for the end; return why the process must be terminated, or nothing when it ended by itself."""
    deadline = time.monotonic() + settings.BACKUP_TIMEOUT + MARGIN_SECONDS
    check_at = time.monotonic() + CHECK_SECONDS
    while not _has_ended(process):
        now = time.monotonic()
        if now > deadline:
            return f"It ran longer than {settings.BACKUP_TIMEOUT} seconds"
        if now > check_at:
            check_at = now + CHECK_SECONDS
            if _ignores_cancel(run):
                return "It was cancelled"
        time.sleep(POLL_SECONDS)
    return ""


def _ignores_cancel(run: Run) -> bool:
    """True when the run was cancelled MARGIN_SECONDS ago and still runs. Also extends its reservation while queued."""
    long_ago = timezone.now() - timedelta(seconds=MARGIN_SECONDS)
    rows = type(run).objects.filter(pk=run.pk)
    try:
        # until the child claims it
        if run.status == Run.Status.QUEUED and not reserve(run):
            run.refresh_from_db(fields=["status", "reserved_at"])
        return rows.filter(status=Run.Status.RUNNING, cancel_requested_at__lt=long_ago).exists()
    except DatabaseProblem as error:
        # the child has the same problem, and stops by itself when it lasts
        audit.log(f"{run.noun}.watch-failed", logging.WARNING, **run.log_key, error=error)
        connection.close()
        return False


def _terminate(process: "subprocess.Popen[bytes]", seconds: float) -> None:
    """Terminate the process if it lives: SIGTERM, and after `seconds` SIGKILL to it and its descendants."""
    if not _has_ended(process):
        process.terminate()
        deadline = time.monotonic() + seconds
        while not _has_ended(process) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        if not _has_ended(process):
            kill_all([*descendants(process.pid), process.pid])
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # processes that it left behind
    process.wait()


def _record_end(run: Run, child: str, returncode: int, why_ended: str) -> None:
    """Record the end in a row that the child left running or did not claim."""
    how = f"ended with exit code {returncode}"
    if returncode < 0:
        how = f"was killed by {signal.Signals(-returncode).name}"
    if run.status == Run.Status.RUNNING and run.process == child:
        recover(run, f"{why_ended}; its process {how}" if why_ended else f"Its process {how}")
    elif run.status == Run.Status.QUEUED and run.reserved_by == identity():
        if why_ended or returncode == BUSY:
            # it did nothing yet: another worker or a later message starts it
            release(run)
        else:
            finish.fail_to_start(run, f"Its process {how} before it began.", "The reason is in the log of the worker.")
