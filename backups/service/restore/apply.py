"""Apply a staged restore to the live instance, component by component, and verify each."""

import os

from backups.components import ApplyContext, apply_archived
from backups.errors import BackupError
from backups.instances import Instance
from backups.models import RestoreExecution
from backups.models.columns import ComponentOutcome
from backups.runs.progress import Monitor
from backups.service.restore.ending.finish import warn
from backups.service.restore.staging.stage import Staged, Step
from destinations.lib.formats import as_text, is_text

Stage, State, Status = RestoreExecution.Stage, RestoreExecution.State, RestoreExecution.Status


def apply_all(restore: RestoreExecution, instance: Instance, staged: Staged, monitor: Monitor) -> None:
    """Apply and verify each step. Raises BackupError; what was touched by then is recorded in the row."""
    total = sum(entry.size_bytes for step in staged.steps for entry in step.entries)
    context = ApplyContext(staged.directory, monitor.lock_timeout, monitor.advance, staged.indexes, staged.checked)
    applied = 0
    for step in staged.steps:
        monitor.stage(Stage.APPLYING, total=total, done=applied)
        for path in step.component.sources():
            # the service may have changed a link since the component was staged
            instance.service.root.require(path)
        # before the component is touched: whatever kills this process, the row says what to roll back
        _record(restore, step, State.APPLYING)
        try:
            apply_archived(step.component, step.entries, step.absent, context)
        except BackupError as error:
            if error.untouched:
                _record(restore, step, State.UNCHANGED)
            raise
        applied += sum(entry.size_bytes for entry in step.entries)
        monitor.stage(Stage.VERIFYING_DATA, total=total, done=applied)
        warn(restore, step.component.verify(step.entries, context) if step.entries else [])
        _record(restore, step, State.RESTORED)


def _record(restore: RestoreExecution, step: Step, state: str) -> None:
    counts = [entry.records for entry in step.entries if entry.records is not None]
    path = str(step.component.location())
    note: ComponentOutcome = {
        "state": state,
        "component": step.component.name,
        "path": as_text(path),
        "rows": sum(counts) if counts else None,
        "bytes": sum(entry.size_bytes for entry in step.entries),
    }
    if not is_text(path):
        # a database may refuse lone surrogates, and a rollback needs the exact path
        note["path_hex"] = os.fsencode(path).hex()
    if not restore.transition(Status.RUNNING, outcome={**restore.outcome, step.target.name: note}):
        raise BackupError("The restore is not marked as running any more.", hint="Its page says what ended it.")
