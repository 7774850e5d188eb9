"""Whether the storage of a destination lets others read its archives than was asked for, as on shares without modes."""

from collections.abc import Iterator

from backups.errors import Unresponsive
from backups.lib.in_time import in_time
from backups.models import BackupCopy
from destinations.exceptions import DestinationError
from destinations.models import BackupDestination


def exposure_warnings(destination: BackupDestination) -> Iterator[str]:
    """Yield the warning for the newest archive that was stored at `destination`, looked at now.

    Nothing is kept of it, so it ends with the next mount that has modes.
    """
    stored = BackupCopy.objects.sound().filter(destination=destination, execution__adopted=False)
    path = stored.order_by("-execution__created_at", "-execution").values_list("path", flat=True).first()
    if path is None:
        return

    def look() -> str:
        with opened as backend:
            return backend.exposure(path)

    try:
        opened = destination.open()
        found = in_time(f"destination {destination}", look)
    except Unresponsive as error:
        yield error.text
    except DestinationError:
        # a file that is missing, or a place that cannot be opened: the catalogue, the test and each backup say so
        return
    else:
        if found:
            yield found
