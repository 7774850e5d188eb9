"""What is recorded when an archive was adopted, beside its row."""

from backups.lib import audit
from backups.models import BackupExecution
from destinations.models import BackupDestination


def note_adopted(backup: BackupExecution, *, by: audit.Actor) -> None:
    """Record in log and history that the archive of the completed `backup` was adopted."""
    # from now on a folder that is gone is a lost mount, not a new destination
    BackupDestination.objects.filter(pk=backup.destination_id).update(established=True)
    audit.log(
        "backup.adopted", backup=backup.pk, instance=backup.instance, destination=backup.destination.name,
        file=backup.backup_path, by=audit.name_of(by),
    )  # fmt: skip
    audit.note(by, backup, f"{backup.comment}: {backup.backup_path} at {backup.destination.name}.")
