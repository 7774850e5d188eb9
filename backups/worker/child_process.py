"""The child process of a run: watched, terminated if necessary, and its end recorded."""

import logging
import os
import signal
import time
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
from backups.worker.run_process import CHECK_SECONDS, POLL_SECONDS, Forked, Started, process_of

BUSY = os.EX_TEMPFAIL  # exit code of a run that stays queued because its instance is in use
# The child ends itself when it is cancelled or its time is up; this much later it is terminated.
MARGIN_SECONDS = 20


def supervise(kind: RunKind[Any], run: Run) -> str:
    """Run the queued `run`, which this process has reserved, in a child process; return its final status."""
    process = process_of(kind, run)
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


def _watch(process: Started | Forked, run: Run) -> str:
    """Wait for the end; return why the process must be terminated, or nothing when it ended by itself."""
    deadline = time.monotonic() + settings.BACKUP_TIMEOUT + MARGIN_SECONDS
    check_at = time.monotonic() + CHECK_SECONDS
    while not process.has_ended():
        now = time.monotonic()
        if now > deadline:
            return f"It ran longer than {settings.BACKUP_TIMEOUT} seconds"
        if now > check_at:
            check_at = now + CHECK_SECONDS
            if _ignores_cancel(run):
                return "It was cancelled"
        process.wait(POLL_SECONDS)
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


def _terminate(process: Started | Forked, seconds: float) -> None:
    """Terminate the process if it lives: SIGTERM, and after `seconds` SIGKILL to it and its descendants."""
    if not process.has_ended():
        process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while not process.has_ended() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        below = descendants(process.pid)
        # then they were its descendants: its pid was its own until now
        if not process.has_ended():
            kill_all(below)
            process.send_signal(signal.SIGKILL)
    process.kill_group()
    process.close()


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
