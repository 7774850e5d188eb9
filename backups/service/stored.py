"""What lies at a destination by our record: `destinations` asks before it lets one be moved."""

from django.db.models import Q

from backups.models import BackupExecution
from destinations.models import BackupDestination

Status = BackupExecution.Status
THERE = Q(status=Status.COMPLETED, deleted_at=None, missing_at=None)


def archives_at(destination: BackupDestination) -> int:
    """Return how many archives are there, or are on their way."""
    return BackupExecution.objects.filter(THERE | Q(status=Status.RUNNING), destination=destination.pk).count()
