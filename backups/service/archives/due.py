"""What is done at each destination from time to time: the process that claims it does it."""

from datetime import datetime, timedelta

from django.db import IntegrityError
from django.db.models import Q

from backups.models import KeyCheck, RetentionPass
from destinations.models import BackupDestination

# longer than any interval; a moment that is further away was recorded while a clock was ahead
FURTHEST = timedelta(days=2)


def is_due(field: str, now: datetime, *, furthest: timedelta = FURTHEST) -> Q:
    """Match the rows whose `field`, the moment at which they are due, has come, or is further away than `furthest`."""
    return Q(**{f"{field}__lte": now}) | Q(**{f"{field}__gt": now + furthest})


def claim_due(
    model: type[KeyCheck] | type[RetentionPass], destination: BackupDestination, now: datetime, *, again_at: datetime
) -> bool:
    """Reserve what is due at `destination` for this process; return False when another one has it.

    It is due again at `again_at`, unless the process that has it records another time.
    """
    rows = model._default_manager
    if rows.filter(is_due("next_at", now), destination=destination).update(next_at=again_at):
        return True
    try:
        _, created = rows.get_or_create(destination=destination, defaults={"next_at": again_at})
    except IntegrityError:
        return False
    return created
