"""The order in which drills and verifications read the copies, so that each destination is proven over time."""

from datetime import UTC, datetime

from django.db.models import Max

from backups.models import BackupCopy, DrillExecution
from backups.service.archives.records.copies import is_off_box
from destinations.exceptions import DestinationConfigError
from destinations.models import BackupDestination

NEVER = datetime.min.replace(tzinfo=UTC)


def longest_unproven_first(copies: list[BackupCopy]) -> list[BackupCopy]:
    """Return the copies of one backup, given the nearest first: first where the last proof is the longest ago.

    A proof is a drill or verification of any backup of the instance that read the copy there and passed. A copy that
    is not verified, as one that was deleted and brought back, comes before the others. Copies that may cost money to
    read come after those, unsound ones last.
    """
    if not copies:
        return []
    proven = BackupCopy.objects.filter(
        execution__instance=copies[0].execution.instance,
        destination__in=[copy.destination_id for copy in copies],
        verified_by__in=DrillExecution.Kind.values,
    )
    last = dict(proven.order_by().values_list("destination").annotate(Max("verified_at")))

    def order(copy: BackupCopy) -> tuple[bool, bool, bool, datetime]:
        verified, costs = copy.verified_at is not None, _may_cost(copy.destination)
        return not copy.is_sound, verified, costs, last.get(copy.destination_id) or NEVER

    return sorted(copies, key=order)


def _may_cost(destination: BackupDestination) -> bool:
    """True for a store that may charge for what is read, where no daily reading budget says how much may be."""
    try:
        is_free = not is_off_box(destination) or destination.place().reads_back_uploads()
    except DestinationConfigError:
        is_free = False
    return not is_free and destination.daily_read_bytes is None
