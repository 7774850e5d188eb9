"""A restore as ``--json`` prints it."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Prefetch, prefetch_related_objects

from backups.models import InstanceState, RestoreExecution
from backups.runs.describe import iso, seconds_of


def describe_restore(restore: RestoreExecution) -> dict[str, Any]:
    """Return all fields of one restore."""
    return describe_restores([restore])[0]


def describe_restores(restores: Sequence[RestoreExecution]) -> list[dict[str, Any]]:
    """Return the same of each of `restores`, in two queries for all of them."""
    prefetch_related_objects(restores, Prefetch("undone_by", RestoreExecution.objects.only("undo_of", "created_at")))
    marks = InstanceState.objects.restart_required().values_list("instance", "restart_required_by")
    marked = set(marks.filter(restart_required_by__in=[restore.pk for restore in restores]))
    return [
        {
            "id": restore.pk,
            "instance": restore.instance,
            "status": restore.status,
            "stage": restore.stage,
            "backup": restore.execution_id,
            "archive_file": restore.archive_file,
            "archive_sha256": restore.archive_sha256,
            "components": restore.components,
            "outcome": restore.outcome,
            "safety_backup": restore.safety_backup_id,
            "undo_of": restore.undo_of_id,
            "undone_by": [undo.pk for undo in restore.undone_by.all()],
            "restart_required": (restore.instance, restore.pk) in marked,
            "force_invalid_config": restore.force_invalid_config,
            "other_instance": restore.allow_other_instance,
            "accept_unsigned": restore.accept_unsigned,
            "triggered_by": restore.triggered_by,
            "created_at": iso(restore.created_at),
            "started_at": iso(restore.started_at),
            "completed_at": iso(restore.completed_at),
            "duration_seconds": seconds_of(restore),
            "warnings": restore.warnings,
            "hook_output": restore.hook_output,
            "error_message": restore.error_message,
            "error_hint": restore.error_hint,
            "acknowledged_at": iso(restore.acknowledged_at),
            "acknowledged_by": restore.acknowledged_by,
        }
        for restore in restores
    ]
