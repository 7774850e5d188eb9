"""The order in which drills and verifications read the copies, so that each destination is proven over time."""

from datetime import UTC, datetime

from django.db.models import Max

from backups.models import BackupCopy, DrillExecution

NEVER = datetime.min.replace(tzinfo=UTC)


def longest_unproven_first(copies: list[BackupCopy]) -> list[BackupCopy]:
    """Return the copies of one backup, given the nearest first: first where the last proof is the longest ago.

    A proof is a drill or verification of any backup of the instance that read the copy there and passed. Unsound
    copies stay last.
    """
    if not copies:
        return []
    proven = BackupCopy.objects.filter(
        execution__instance=copies[0].execution.instance,
        destination__in=[copy.destination_id for copy in copies],
        verified_by__in=DrillExecution.Kind.values,
    )
    last = dict(proven.order_by().values_list("destination").annotate(Max("verified_at")))
    return sorted(copies, key=lambda copy: (not copy.is_sound, last.get(copy.destination_id) or NEVER))
