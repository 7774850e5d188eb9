"""A restore as ``--json`` prints it."""

from typing import Any

from backups.models import InstanceState, RestoreExecution
from backups.service.status import iso, seconds_of


def describe_restore(restore: RestoreExecution) -> dict[str, Any]:
    """Return everything an operator's script may want to know of one restore."""
    asked = InstanceState.objects.filter(instance=restore.instance, restart_required_by=restore.pk)
    return {
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
        "undone_by": list(restore.undone_by.values_list("pk", flat=True)),
        "restart_required": asked.filter(restart_required_since__isnull=False).exists(),
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
