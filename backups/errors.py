# ruff: noqa: N818 - named for what happened; the base says that they are errors
"""What operators are told when something cannot be done."""

from destinations.formats import printable
from destinations.redaction import redact_cut

# of a message or a hint: some quote lists of names, which an archive or a service chooses
LONGEST = 8_000


class BackupError(Exception):
    """A refusal or failure in one sentence that names what and where; `hint` says what to do about it.

    `untouched` is true where it is certain that what was to be changed is what it was before; `exit_status` is that of
    a command which ends with it.
    """

    untouched = False
    exit_status = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message = printable(redact_cut(message, first=LONGEST))
        self.hint = printable(redact_cut(hint, first=LONGEST))
        super().__init__(self.message)


class InstanceError(BackupError):
    """The instance is unknown, or its description in instances.toml is wrong."""


class ComponentError(BackupError):
    """A component cannot be exported whole."""


class MissingComponent(ComponentError):
    """A file of the component is not there."""


class DamagedComponent(ComponentError):
    """A file of the component is there, but is not what it should be."""


class ScratchFailed(ComponentError):
    """The place where a copy lies is full or fails: that says nothing of the data."""


class NotCheckable(ComponentError):
    """A database cannot be checked, counted or read here: that says nothing of the data."""


class Untouched(ComponentError):
    """A component could not be restored, and is what it was before."""

    untouched = True


class InstanceBusy(BackupError):
    """Another execution of the same instance is running."""


class WorkspaceBusy(BackupError):
    """Another process of this host works on the same run."""


class NotQueued(BackupError):
    """The execution was taken, cancelled or ended before."""


class Cancelled(BackupError):
    """Somebody asked the execution to stop."""


class Interrupted(BackupError):
    """The execution lost its row: it was taken for dead, or its process is told to end."""


class Unrecorded(BackupError):
    """A restore has ended, and the database of the site could not take its end."""

    exit_status = 3


class TimedOut(BackupError):
    """The execution took longer than BACKUP_TIMEOUT."""


class NotDeletable(BackupError):
    """There is no archive to delete, or something protects it."""
