"""After a restore, whatever became of it: warnings in its row, the service started again, the mark to restart it."""

import logging
from collections.abc import Sequence

from backups.errors import BackupError
from backups.instances import Instance
from backups.lib import audit
from backups.models import RestoreExecution
from backups.runs.hooks import run_hook
from backups.service.restore import restart
from destinations.lib.operator_error import sentences


def warn(restore: RestoreExecution, notes: Sequence[str]) -> None:
    if notes:
        restore.kept(warnings=[*restore.warnings, *notes])


def complete(restore: RestoreExecution, instance: Instance) -> None:
    """Mark the instance for a restart and start its service. The data is proven: what fails here is only a warning."""
    try:
        restart.require(restore, instance)
    except BackupError as error:
        warn(restore, [error.message])
    except Exception as error:  # the data stays as it is, and its service has to be started
        warn(restore, [f"it could not be marked that the service has to be restarted: {type(error).__name__}"])
        audit.crashed("restore.mark-failed", error, execution=restore.pk)
    start_again(restore, instance)


def start_again(restore: RestoreExecution, instance: Instance) -> None:
    """Start what was stopped for the restore. That the service may be down must be seen: a failure is a warning."""
    try:
        run_hook("after_restore", instance, restore)
    except BackupError as error:
        _warn_of_service(restore, instance, error.message)
    except Exception as error:  # what became of the data has to be recorded all the same
        audit.crashed("restore.hook-crashed", error, execution=restore.pk)
        _warn_of_service(restore, instance, f"the hook after_restore failed with an unexpected {type(error).__name__}")


def _warn_of_service(restore: RestoreExecution, instance: Instance, why: str) -> None:
    warn(restore, [sentences(why, "The service may not be running")])
    audit.log("restore.hook-failed", logging.ERROR, execution=restore.pk, instance=instance.name, error=why)
