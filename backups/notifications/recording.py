"""Rows for what happens to runs, written in the transaction that records it: a process that dies leaves both or none.

A row that cannot be written never undoes the run's own: `runs` sees to that.
"""

from typing import Any

from backups.models import BackupExecution, Notice, RestoreExecution, Run
from backups.notifications.notices import Cause, began, happened
from backups.notifications.pages import destinations_page, run_page
from backups.notifications.pings import queue_pings, signal_of_end
from destinations.lib.operator_error import sentences

Status = Run.Status
# the code under which a look at the verdicts finds it again, and ends it
FAILING = "backup-failing"
HOST_KEY = "host-key-changed"


def backup_began(run: BackupExecution) -> None:
    # the backup that a restore makes first is none that a watcher waits for
    if run.kind != BackupExecution.Kind.SAFETY:
        queue_pings(run, "start")


def backup_ended(run: BackupExecution) -> None:
    # a restore that its safety backup ends is announced itself
    if run.kind == BackupExecution.Kind.SAFETY or (run.started_at is None and run.status == Status.CANCELLED):
        return
    queue_pings(run, signal_of_end(run))
    if run.status not in (Status.FAILED, Status.INTERRUPTED):
        return
    began(
        Cause(
            "interrupted" if run.status == Status.INTERRUPTED else "failed",
            sentences(f"The backup of {run.instance} {_ending(run)}.", run.error_message),
            run.error_hint,
            instance=run.instance,
            code=FAILING,
            level=Notice.Level.WARNING,
            page=run_page(run.noun, run.pk),
            schedule=run.schedule_id or "",
        )
    )


def restore_began(run: RestoreExecution) -> None:
    happened(
        Cause(
            "restore-begun",
            f"A restore of {run.instance} has begun, started by {run.triggered_by}.",
            instance=run.instance,
            subject=run.pk,
            page=run_page(run.noun, run.pk),
        )
    )


def restore_ended(run: RestoreExecution) -> None:
    completed = run.status == Status.COMPLETED
    # one that was cancelled before it began has done nothing
    if run.started_at is None and run.status == Status.CANCELLED:
        return
    happened(
        Cause(
            "restore-ended" if completed else "restore-failed",
            sentences(f"The restore of {run.instance} {_ending(run)}.", run.error_message),
            "Check the service, then acknowledge the restore on its page." if completed else run.error_hint,
            instance=run.instance,
            subject=run.pk,
            page=run_page(run.noun, run.pk),
        )
    )


def _ending(run: Run) -> str:
    words = {"completed": "is completed", "interrupted": "was interrupted", "cancelled": "was cancelled"}
    return words.get(run.status, "failed")


def record_host_key(destination: Any, message: str, hint: str = "", **_: Any) -> None:
    began(Cause("host-key", message, hint, code=HOST_KEY, subject=destination.name, page=destinations_page()))
