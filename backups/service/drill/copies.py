"""Verifying one copy of a backup, or each of them, beside the one whose turn it is."""

from backups.errors import BackupError, Cancelled, Interrupted, PutOff
from backups.lib import audit
from backups.models import BackupCopy, BackupExecution
from backups.service.archives.records.copies import readable_copies
from backups.service.archives.verify import Verified
from backups.service.drill.run import verify_backup
from destinations.lib.operator_error import OperatorError
from destinations.models import BackupDestination


def copy_at(backup: BackupExecution, destination: BackupDestination) -> BackupCopy:
    """Return the copy of `backup` at `destination`. Raises BackupError where none can be read."""
    copies = readable_copies(backup)
    for copy in copies:
        if copy.destination_id == destination.pk:
            return copy
    names = ", ".join(copy.destination.name for copy in copies)
    raise BackupError(
        f"{backup} has no copy at {destination.name} to read.",
        hint=f"Its copies are at: {names}." if copies else "It has no copy anywhere.",
    )


def verify_copies(backup: BackupExecution, *, by: audit.Actor) -> list[tuple[BackupCopy, Verified | OperatorError]]:
    """Verify each copy of `backup` as `verify_backup`; return what was found of each, or why it could not be."""
    copies = readable_copies(backup)
    if not copies:
        raise BackupError(f"{backup} has no copy to read.", hint="See the table of copies on its page.")
    results: list[tuple[BackupCopy, Verified | OperatorError]] = []
    for copy in copies:
        try:
            results.append((copy, verify_backup(backup, by=by, only_copy=copy)))
        except PutOff as error:
            results.append((copy, error))
        except (Cancelled, Interrupted):
            raise
        except OperatorError as error:
            results.append((copy, error))
    return results
