"""What the try of an upload before an export left at a destination (see `Destination.require_writable`)."""

from datetime import datetime

from backups.models import LeftoverPart
from destinations.backends.base.trial import TEST_PREFIX
from destinations.models import BackupDestination


def may_try_writing(destination: BackupDestination) -> bool:
    """False while what an earlier try could not remove lies there: each further one would leave a file more."""
    return not LeftoverPart.objects.filter(destination=destination, path__contains=TEST_PREFIX).exists()


def record_left(destination: BackupDestination, path: str, now: datetime) -> None:
    """Record the partial upload `path`, or nothing where that is empty; a sweep deletes the row with the file."""
    if path:
        about = {"size_bytes": 1, "first_seen_at": now}
        LeftoverPart.objects.get_or_create(destination=destination, path=path, defaults=about)
