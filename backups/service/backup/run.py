"""The two ways to back up at once: a queued backup, and one that is made here."""

from collections.abc import Sequence
from functools import partial

from backups.components import Component
from backups.instances.kinds.configuration import LiveConfiguration
from backups.lib import audit
from backups.models import BackupExecution
from backups.runs.execute import execute, run_here
from backups.runs.progress import Monitor
from backups.service.archives.records.copies import Destinations
from backups.service.backup.kind import BACKUP, Packed
from backups.service.backup.start import start_backup
from destinations.models import BackupDestination


def run_backup(backup_id: str) -> BackupExecution:
    """Run a queued backup to its end, as `execute`; then retention deletes what it may.

    Works inside a transaction too, but shows no progress there.
    """
    return execute(BACKUP, backup_id)


def backup_now(
    instance: str, destination: Destinations, *, by: audit.Actor, comment: str = "", run_id: str = ""
) -> BackupExecution:
    """Back up in this process, to one destination or to several in order, and return the row.

    It gets the id `run_id` when one is given.

    Raises as `start_backup`, InstanceBusy when the instance is in use, or the error it failed with; no row stays queued
    then.
    """

    def make(own_id: str) -> BackupExecution:
        return start_backup(instance, destination, by=by, comment=comment, run_id=own_id)

    backup, _ = run_here(BACKUP, make, by=by, run_id=run_id)
    return backup


def make_safety_backup(
    instance: str,
    destination: BackupDestination,
    *,
    by: audit.Actor,
    comment: str,
    pin_reason: str,
    parts: Sequence[Component],
    live: LiveConfiguration,
    within: Monitor,
    packed: Packed,
) -> BackupExecution:
    """Take the safety backup of a restore, pinned from its creation so that retention never deletes it.

    `parts` are the components, because the configuration of the instance may be damaged; `live` is that configuration,
    as the restore has read it; `within` is the monitor of the restore, whose cancelling stops the backup too. `packed`
    is called with the archive before its upload. Raises as `backup_now`.
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

    hint = "It belongs to a restore: run that again."
    work = partial(BACKUP.work, parts=parts, live=live, packed=packed)
    backup, _ = run_here(BACKUP, make, by=by, hint=hint, work=work, within=within)
    return backup
