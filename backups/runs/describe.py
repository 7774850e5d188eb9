"""The state of executions as pages poll it and ``--json`` prints it."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from backups.models import BackupExecution, Run

SILENCE = timedelta(seconds=30)


def backup_status(execution_id: str) -> dict[str, Any]:
    """Return status, stage and progress of one execution. Raises BackupExecution.DoesNotExist."""
    return describe_progress(BackupExecution.objects.without_manifest().get(pk=execution_id))


def describe_progress(execution: Run) -> dict[str, Any]:
    """Return what changes while an execution runs. Sizes in bytes, times in ISO 8601, duration in seconds."""
    running = execution.status == Run.Status.RUNNING
    silent = running and (execution.heartbeat_at is None or timezone.now() - execution.heartbeat_at > SILENCE)
    return {
        "id": execution.pk,
        "status": execution.status,
        "stage": execution.stage,
        "percent": execution.progress_percent,
        "bytes": execution.progress_bytes,
        "active": execution.is_active,
        "silent": silent,
        "duration_seconds": seconds_of(execution),
        "error_message": execution.error_message,
        "error_hint": execution.error_hint,
    }


def describe(execution: BackupExecution) -> dict[str, Any]:
    """Return everything an operator's script may want to know of one execution."""
    return {
        "id": execution.pk,
        "instance": execution.instance,
        "destination": execution.destination.name,
        "kind": execution.kind,
        "status": execution.status,
        "triggered_by": execution.triggered_by,
        "comment": execution.comment,
        "created_at": iso(execution.created_at),
        "started_at": iso(execution.started_at),
        "completed_at": iso(execution.completed_at),
        "duration_seconds": seconds_of(execution),
        "backup_filename": execution.backup_filename,
        "backup_path": execution.backup_path,
        "archive_sha256": execution.archive_sha256,
        "encryption": execution.encryption,
        "recipients": execution.recipients,
        "size_bytes": execution.size_bytes,
        "compressed_size_bytes": execution.compressed_size_bytes,
        "files_included": execution.files_included,
        "warnings": execution.warnings,
        "error_message": execution.error_message,
        "error_hint": execution.error_hint,
        "verified_at": iso(execution.verified_at),
        "drill": execution.drill,
        "verification": execution.verification,
        "drops": execution.drops,
        "drop_confirmed_at": iso(execution.drop_confirmed_at),
        "drop_confirmed_by": execution.drop_confirmed_by,
        "pinned": execution.pinned,
        "pin_reason": execution.pin_reason,
        "adopted": execution.adopted,
        "missing_at": iso(execution.missing_at),
        "deleted_at": iso(execution.deleted_at),
        "deleted_reason": execution.deleted_reason,
    }


def iso(moment: Any) -> str | None:
    return moment.isoformat() if moment else None


def seconds_of(execution: Run) -> float | None:
    duration = execution.duration
    return None if duration is None else round(duration.total_seconds(), 3)
