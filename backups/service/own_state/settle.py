"""The SQL that ends, in a restored database, what the site was doing when that was backed up.

It runs in the transaction of the restore, so no worker ever sees a row of it as it was: nothing that was queued is
started, no upload is taken up, no message is sent again. The statements are of the schema before the migrations that
this release may add; SQLite and PostgreSQL both take them.
"""

from datetime import UTC, datetime

from backups.instances.kinds.backupsite.left_out import LEFT_OUT
from backups.models import (
    BackupCopy,
    BackupExecution,
    BackupSchedule,
    CopyExecution,
    Delivery,
    DrillExecution,
    Notice,
    RestoreExecution,
)

RUNS = (BackupExecution, RestoreExecution, DrillExecution, CopyExecution)
Status, State = BackupExecution.Status, BackupCopy.State
INTERRUPTED = "The site was backed up while this ran, and was restored from that backup."
CANCELLED = "The site was backed up while this waited, and was restored from that backup."
HINT = "What became of it at that time is not known: look at the destination or the instance, then run it again."
COPY_ERROR = "The site was backed up before this copy was stored, and was restored from that backup."
DELIVERY_ERROR = "It was waiting when the site was backed up, from which it was restored: it may have been sent."


def statements(now: datetime) -> list[str]:
    """Return the statements in their order; `now` is the time of the restore."""
    at = _text(now.astimezone(UTC).isoformat(sep=" ", timespec="microseconds"))
    found = [f"DELETE FROM {table}" for table in LEFT_OUT]
    for model in RUNS:
        table = model._meta.db_table
        for status, end, message in (
            (Status.RUNNING, Status.INTERRUPTED, INTERRUPTED),
            (Status.QUEUED, Status.CANCELLED, CANCELLED),
        ):
            found.append(
                f"UPDATE {table} SET status = {_text(end)}, completed_at = {at}, error_message = {_text(message)}, "
                f"error_hint = {_text(HINT)}, worker = '', process = '', reserved_by = '' "
                f"WHERE status = {_text(status)}"
            )
    backups, copies, schedules = (model._meta.db_table for model in (BackupExecution, BackupCopy, BackupSchedule))
    unfinished = f"state IN ({_text(State.WAITING)}, {_text(State.UPLOADING)})"
    completed = f"execution_id IN (SELECT id FROM {backups} WHERE status = {_text(Status.COMPLETED)})"
    found += [
        # what lies at a planned path may be an upload of the other life that still goes on
        f"UPDATE {copies} SET planned_path = '', upload_state = NULL, look_again_at = NULL "
        "WHERE planned_path <> '' OR upload_state IS NOT NULL OR look_again_at IS NOT NULL",
        f"UPDATE {backups} SET planned_path = '' WHERE planned_path <> ''",
        # of a backup that has an archive elsewhere the copy is made up for; the others have none to copy
        f"UPDATE {copies} SET state = {_text(State.FAILED)}, path = '', error = {_text(COPY_ERROR)}, "
        f"error_hint = {_text(HINT)}, next_try_at = {at} WHERE {unfinished} AND {completed}",
        f"UPDATE {copies} SET state = {_text(State.FAILED)}, path = '', error = {_text(COPY_ERROR)}, "
        f"error_hint = {_text(HINT)}, next_try_at = NULL WHERE {unfinished}",
        f"UPDATE {backups} SET copies_state = {_text(BackupExecution.CopiesState.MISSING)} "
        f"WHERE status = {_text(Status.COMPLETED)} AND copies_state = {_text(BackupExecution.CopiesState.ALL)} "
        f"AND id IN (SELECT execution_id FROM {copies} WHERE state = {_text(State.FAILED)})",
        # a slot that was missed runs once; a retry of the other life would be a second run
        f"UPDATE {schedules} SET retry_at = NULL WHERE retry_at IS NOT NULL",
        f"UPDATE {Delivery._meta.db_table} SET state = {_text(Delivery.State.GIVEN_UP)}, claimed_until = NULL, "
        f"error = {_text(DELIVERY_ERROR)} WHERE state = {_text(Delivery.State.WAITING)}",
        f"UPDATE {Notice._meta.db_table} SET announced_at = {at} WHERE announced_at IS NULL",
        f"UPDATE {Notice._meta.db_table} SET end_announced_at = {at} "
        "WHERE ended_at IS NOT NULL AND end_announced_at IS NULL",
        f"UPDATE {Notice._meta.db_table} SET reminded_at = {at} WHERE reminded_at IS NOT NULL AND ended_at IS NULL",
    ]
    return found


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
