"""What is done at each destination from time to time: the process that claims it does it."""

from datetime import datetime

from django.db import IntegrityError

from backups.models import KeyCheck, RetentionPass
from destinations.models import BackupDestination


def claim_due(
    model: type[KeyCheck] | type[RetentionPass], destination: BackupDestination, now: datetime, *, again_at: datetime
) -> bool:
    """Reserve what is due at `destination` for this process; return False when another one has it.

    It is due again at `again_at`, unless the process that has it records another time.
    """
    rows = model._default_manager
    if rows.filter(destination=destination, next_at__lte=now).update(next_at=again_at):
        return True
    try:
        _, created = rows.get_or_create(destination=destination, defaults={"next_at": again_at})
    except IntegrityError:
        return False
    return created
