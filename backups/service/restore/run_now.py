"""Restores that the process which makes them carries out: they end with it, and no worker ever takes them."""

from collections.abc import Callable

from backups.lib import audit
from backups.models import RestoreExecution
from backups.runs.execute import run_here
from backups.runs.recovery.reap import reap
from backups.service.restore.run import RESTORE


def restore_now(
    start: Callable[[str], RestoreExecution], instance: str, *, by: audit.Actor, run_id: str = ""
) -> RestoreExecution:
    """Make a restore of `instance` by `start`, which gets the id of its row, and run it here and now to its end.

    Raises as `start_restore` and `run_restore`; whatever is raised, nothing is left waiting.
    """
    # what a dead restore left half done is rolled back before the person's view of the instance is taken down
    reap(instance=instance)
    restore, _ = run_here(RESTORE, start, by=by, run_id=run_id)
    return restore
