"""What lies at a destination by our record: `destinations` asks before it lets one be moved."""

from backups.models import BackupExecution
from destinations.models import BackupDestination


def archives_at(destination: BackupDestination) -> int:
    """Return how many archives are there, or are on their way."""
    backups = BackupExecution.objects.stored() | BackupExecution.objects.running()
    return backups.filter(destination=destination.pk).count()
