"""The two ways to run a copy at once: one that is queued, and one that is made here."""

from backups.lib import audit
from backups.models import BackupExecution, CopyExecution
from backups.runs.execute import execute, run_here
from backups.service.copying.kind import COPY
from backups.service.copying.start import start_copy
from destinations.models import BackupDestination


def run_copy(run_id: str) -> CopyExecution:
    """Run a queued copy to its end, as `execute`."""
    return execute(COPY, run_id)


def copy_now(
    backup: BackupExecution, destination: BackupDestination, *, by: audit.Actor, run_id: str = ""
) -> CopyExecution:
    """Copy `backup` to `destination` in this process, and return the row.

    Raises as `start_copy`, or the error it failed with.
    """

    def make(own_id: str) -> CopyExecution:
        return start_copy(backup, destination, by=by, run_id=own_id)

    run, _ = run_here(COPY, make, by=by, run_id=run_id)
    return run
