"""What is raised when the server of a destination identifies itself by another key than the trusted one."""

from backups.models import BackupCopy
from backups.signals import host_key_changed
from destinations.exceptions import PeerNotTrusted
from destinations.lib.operator_error import OperatorError
from destinations.models import BackupDestination


def report_untrusted(at: BackupDestination | BackupCopy, error: OperatorError) -> None:
    """Send `host_key_changed` if `error`, which the destination of `at` raised, is about that.

    It is called where such errors are recorded, and never from a thread of an upload: receivers write to the database.
    """
    if isinstance(error, PeerNotTrusted):
        # of a copy it is read for these errors only
        destination = at.destination if isinstance(at, BackupCopy) else at
        host_key_changed.send_robust(BackupDestination, destination=destination, message=error.message, hint=error.hint)
