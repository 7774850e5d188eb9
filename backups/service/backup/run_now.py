"""Backups that the process which makes them carries out: they end with it, and no worker ever takes them."""

from collections.abc import Sequence
from functools import partial

from backups.components import Component
from backups.lib import audit
from backups.models import BackupExecution
from backups.runs.execute import run_here
from backups.runs.progress import Monitor
from backups.service.backup.run import BACKUP, start_backup
from destinations.models import BackupDestination


def backup_now(
    instance: str, destination: BackupDestination, *, by: audit.Actor, comment: str = "", run_id: str = ""
) -> BackupExecution:
    """Back up here and now, and return the row, which gets the id `run_id` when one is given.

    Raises as `start_backup`, InstanceBusy when the instance is in use, or why it failed; nothing is left waiting then.
    """

    def make(own_id: str) -> BackupExecution:
        return start_backup(instance, destination, by=by, comment=comment, run_id=own_id)

    execution, _ = run_here(BACKUP, make, by=by, run_id=run_id)
    return execution


def back_up_before_restore(
    instance: str,
    destination: BackupDestination,
    *,
    by: audit.Actor,
    comment: str,
    pin_reason: str,
    parts: Sequence[Component],
    within: Monitor,
) -> BackupExecution:
    """Take the safety backup of a restore. It is pinned from the beginning: at no moment can retention take it.

    `parts` names the components, because the configuration of the instance is not to be asked, and `within` is the
    monitor of the restore, with which it stops. Raises as `backup_now`.
    """

    def make(own_id: str) -> BackupExecution:
        return start_backup(
            instance,
            destination,
            by=by,
            kind=BackupExecution.Kind.SAFETY,
            comment=comment,
            pin_reason=pin_reason,
            run_id=own_id,
        )

    hint = "it belongs to a restore: run that again"
    work = partial(BACKUP.work, parts=parts)
    execution, _ = run_here(BACKUP, make, by=by, hint=hint, work=work, within=within)
    return execution
