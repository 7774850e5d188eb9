"""The last steps of a restore, whatever its status: warnings in its row, restart mark, service started again."""

import logging
from collections.abc import Sequence

from backups.errors import BackupError
from backups.instances import Instance
from backups.lib import audit
from backups.models import RestoreExecution
from backups.runs.hooks import run_hook
from backups.service.restore.ending import restart
from destinations.lib.formats import printable
from destinations.lib.operator_error import sentences


def warn(restore: RestoreExecution, notes: Sequence[str]) -> None:
    if notes:
        # they may name paths that are not UTF-8
        restore.update_running(warnings=[*restore.warnings, *map(printable, notes)])


def complete(restore: RestoreExecution, instance: Instance) -> None:
    """Mark the instance for a restart and start its service. The data is verified: failures here are only warnings."""
    try:
        restart.require(restore, instance)
    except BackupError as error:
        warn(restore, [error.message])
    except Exception as error:  # the data stays as it is, and its service has to be started
        warn(restore, [f"The mark that the service has to be restarted could not be set: {type(error).__name__}."])
        audit.crashed("restore.mark-failed", error, restore=restore.pk)
    start_service(restore, instance)


def start_service(restore: RestoreExecution, instance: Instance) -> None:
    """Run the hook after_restore. The service may be down when it fails: that is a warning in the row."""
    try:
        run_hook("after_restore", instance, restore)
        return
    except BackupError as error:
        why = error.message
    except Exception as error:  # the end of the restore has to be recorded all the same
        audit.crashed("restore.hook-crashed", error, restore=restore.pk)
        why = f"The hook after_restore failed with an unexpected {type(error).__name__}."
    warn(restore, [sentences(why, "The service may not be running.")])
    audit.log("restore.hook-failed", logging.ERROR, restore=restore.pk, instance=instance.name, error=why)
