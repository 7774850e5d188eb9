"""Which backups have a sound copy off this machine, and how many backups lack a copy: in a query each."""

from collections.abc import Iterable

from django.db.models import Count

from backups.models import BackupCopy, BackupExecution
from backups.models.querysets import LACKS_A_COPY
from destinations.backends import TYPES


def off_box(backups: Iterable[BackupExecution]) -> set[str]:
    """Return the ids of those of `backups` that have a sound copy at a destination off this machine."""
    types = [name for name, backend in TYPES.items() if backend.off_box]
    sound = BackupCopy.objects.sound().filter(execution__in=[backup.pk for backup in backups])
    away: dict[str, bool] = {}
    found = set()
    for copy in sound.filter(destination__type__in=types).select_related("destination").defer("upload_state"):
        # a server of such a type may run on this machine
        if copy.destination_id not in away:
            away[copy.destination_id] = copy.destination.leaves_this_machine
        if away[copy.destination_id]:
            found.add(copy.execution_id)
    return found


def lacking_by_instance() -> dict[str, int]:
    """Return how many backups of each instance lack a copy that they were made with."""
    rows = BackupExecution.objects.filter(LACKS_A_COPY).order_by()
    return dict(rows.values_list("instance").annotate(Count("pk")))
