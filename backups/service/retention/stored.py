"""The number of archives at a destination, which `destinations` checks before one is moved."""

from backups.models import BackupExecution
from destinations.models import BackupDestination


def archives_at(destination: BackupDestination) -> int:
    """Return how many archives are at `destination`, or are being uploaded."""
    backups = BackupExecution.objects.stored() | BackupExecution.objects.running()
    return backups.filter(destination=destination.pk).count()
