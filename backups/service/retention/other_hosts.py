"""Whether a destination is a folder of another host, which has the same path there as a folder here."""

from backups.instances import is_settled
from backups.models import BackupCopy
from backups.runs.queue.queues import queues
from backups.service.archives.records.copies import is_off_box
from destinations.exceptions import DestinationError
from destinations.models import BackupDestination


def is_of_another_host(destination: BackupDestination, queue: str) -> bool:
    """True where archives of a listed instance of another queue are recorded in a folder, and are not in the one here.

    Then the host of that instance has a folder of its own: what lies there would count as missing here.
    """
    if is_off_box(destination):
        return False
    by_queue = queues()
    elsewhere = [name for other, names in by_queue.items() if other != queue for name in names]
    theirs = BackupCopy.objects.sound().filter(destination=destination)
    if is_settled():
        theirs = theirs.filter(execution__instance__in=elsewhere)
    else:
        # those of any instance that the file does not name for now may be of another queue
        theirs = theirs.exclude(execution__instance__in=by_queue.get(queue, []))
    try:
        with destination.open() as opened:
            for name in theirs.order_by().values_list("execution__instance", flat=True).distinct():
                own = theirs.filter(execution__instance=name).order_by("stored_at", "pk")
                for copy in filter(None, (own.first(), own.last())):
                    if opened.stat(copy.path).size_bytes != copy.size_bytes:
                        return True
    except DestinationError:
        # whose folder it is cannot be told; where it is this one, the first backup to it says what is wrong
        return theirs.exists()
    return False
