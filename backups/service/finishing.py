"""After a restore, whatever became of it: warnings in its row, the service started again, the mark to restart it."""

import logging
from collections.abc import Sequence

from backups.errors import BackupError
from backups.instances import Instance
from backups.models import RestoreExecution
from backups.service import audit, restart
from backups.service.hooks import run_hook

Status = RestoreExecution.Status


def warn(restore: RestoreExecution, notes: Sequence[str]) -> None:
    if notes:
        restore.moved(Status.RUNNING, warnings=[*restore.warnings, *notes])


def complete(restore: RestoreExecution, instance: Instance) -> None:
    """Mark the instance for a restart and start its service. The data is proven: what fails here is only a warning."""
    try:
        restart.require(restore, instance)
    except BackupError as error:
        warn(restore, [error.message])
    start_again(restore, instance)


def start_again(restore: RestoreExecution, instance: Instance) -> None:
    """Start what was stopped for the restore. That the service may be down must be seen: a failure is a warning."""
    try:
        run_hook("after_restore", instance, restore)
    except BackupError as error:
        warn(restore, [f"{error.message}: the service may not be running"])
        audit.log(
            "restore.hook-failed", logging.ERROR, execution=restore.pk, instance=instance.name, error=error.message
        )
