"""The state of runs as JSON: what pages poll and ``--json`` prints."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from backups.models import BackupCopy, BackupExecution, Run
from backups.runs.log_lines import lines_of, log_of
from destinations.lib.formats import counted, printable

# longer than a heartbeat is normally late
SILENT_AFTER = timedelta(seconds=30)


def backup_status(backup_id: str) -> dict[str, Any]:
    """Return status, stage and progress of one backup. Raises BackupExecution.DoesNotExist."""
    return describe_progress(BackupExecution.objects.without_manifest().get(pk=backup_id))


def describe_progress(run: Run) -> dict[str, Any]:
    """Return what changes while a run runs: sizes in bytes, duration in seconds."""
    running = run.status == Run.Status.RUNNING
    silent = running and (run.heartbeat_at is None or timezone.now() - run.heartbeat_at > SILENT_AFTER)
    return {
        "id": run.pk,
        "status": run.status,
        "stage": run.stage,
        "percent": run.progress_percent,
        "bytes": run.progress_bytes,
        "active": run.is_active,
        "silent": silent,
        "duration_seconds": seconds_of(run),
        "error_message": run.error_message,
        "error_hint": run.error_hint,
    }


def describe(backup: BackupExecution) -> dict[str, Any]:
    """Return what ``--json`` prints of a backup: sizes in bytes, times in ISO 8601, duration in seconds."""
    return {
        "id": backup.pk,
        "instance": backup.instance,
        "destination": backup.destination.name,
        "kind": backup.kind,
        "status": backup.status,
        "triggered_by": backup.triggered_by,
        "comment": backup.comment,
        "created_at": iso(backup.created_at),
        "started_at": iso(backup.started_at),
        "completed_at": iso(backup.completed_at),
        "duration_seconds": seconds_of(backup),
        "backup_filename": backup.backup_filename,
        "backup_path": backup.backup_path,
        "archive_sha256": backup.archive_sha256,
        "encryption": backup.encryption,
        "recipients": backup.recipients,
        "size_bytes": backup.size_bytes,
        "compressed_size_bytes": backup.compressed_size_bytes,
        "files_included": backup.files_included,
        "warnings": backup.warnings,
        "error_message": backup.error_message,
        "error_hint": backup.error_hint,
        "verified_at": iso(backup.verified_at),
        "drill": backup.drill,
        "verification": backup.verification,
        "amounts": backup.amounts,
        "drops": backup.drops,
        "drop_confirmed_at": iso(backup.drop_confirmed_at),
        "drop_confirmed_by": backup.drop_confirmed_by,
        "pinned": backup.pinned,
        "pin_reason": backup.pin_reason,
        "adopted": backup.adopted,
        "missing_at": iso(backup.missing_at),
        "damaged_at": iso(backup.damaged_at),
        "copies_state": backup.copies_state,
        "copies": [describe_copy(copy) for copy in backup.copies.all()],
        "deleted_at": iso(backup.deleted_at),
        "deleted_by": backup.deleted_by,
        "deleted_reason": backup.deleted_reason,
    }


def describe_copy(copy: BackupCopy) -> dict[str, Any]:
    """Return what ``--json`` prints of one copy; `condition` is its state, or missing or damaged."""
    return {
        "id": copy.pk,
        "destination": copy.destination.name,
        "state": copy.state,
        "condition": copy.condition,
        "path": copy.path,
        "size_bytes": copy.size_bytes,
        "sha256": copy.sha256,
        "encryption": copy.encryption,
        "recipients": copy.recipients,
        "verified_at": iso(copy.verified_at),
        "verified_by": copy.verified_by,
        "missing_at": iso(copy.missing_at),
        "damaged_at": iso(copy.damaged_at),
        "locked_until": iso(copy.locked_until),
        "cooled_at": iso(copy.cooled_at),
        "error": copy.error,
        "error_hint": copy.error_hint,
        "attempts": copy.attempts,
        "next_try_at": iso(copy.next_try_at),
        "created_at": iso(copy.created_at),
        "stored_at": iso(copy.stored_at),
        "deleted_at": iso(copy.deleted_at),
        "deleted_by": copy.deleted_by,
        "deleted_reason": copy.deleted_reason,
    }


def describe_log(run: Run) -> dict[str, Any] | None:
    """Return what ``--json --log`` prints of the log lines of `run`; None where none were kept.

    `left_out` lines are missing after the first `left_out_after`.
    """
    log = log_of(run)
    if log is None:
        return None
    first, last = lines_of(log.first), lines_of(log.last)
    return {
        "lines": [*first, *last],
        "left_out": log.left_out,
        "left_out_after": len(first),
        "written_at": iso(log.written_at),
    }


def readable_log(run: Run) -> list[str]:
    """Return the log lines of `run` as a person reads them, with one for those that were left out."""
    log = describe_log(run)
    if log is None:
        return ["No log lines were kept of this run."]
    lines, position, left_out = log["lines"], log["left_out_after"], log["left_out"]
    if left_out:
        lines.insert(position, f"[{counted(left_out, 'line')} left out here: the log of the site has all of them]")
    return [printable(line) for line in lines]


def iso(moment: Any) -> str | None:
    return moment.isoformat() if moment else None


def seconds_of(run: Run) -> float | None:
    """Return how long the run took, or has taken until now, rounded to milliseconds; None before its start."""
    duration = run.duration
    return None if duration is None else round(duration.total_seconds(), 3)
