"""A drill or a verification as ``--json`` prints it."""

from typing import Any

from backups.models import DrillExecution
from backups.runs.describe import iso, seconds_of
from backups.service.drill.result import result_of


def describe_drill(run: DrillExecution) -> dict[str, Any]:
    """Return everything an operator's script may want to know of one run; `seconds` are those of the result."""
    result: dict[str, Any] = {**result_of(run)}
    return {
        "id": result.pop("run"),
        "instance": run.instance,
        "kind": run.kind,
        "status": run.status,
        "stage": run.stage,
        "backup": run.execution_id,
        "archive": str(run.execution),
        "created_at": iso(run.created_at),
        "started_at": iso(run.started_at),
        "completed_at": iso(run.completed_at),
        "duration_seconds": seconds_of(run),
        **result,
    }
