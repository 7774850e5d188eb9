# ruff: noqa: N818 - named for what happened; the base says that they are errors
"""What operators are told when something cannot be done."""

from destinations.lib.operator_error import OperatorError


class BackupError(OperatorError):
    """A refusal or failure of a backup, a restore, a drill or a schedule.

    `untouched` is true where it is certain that what was to be changed is what it was before.
    """

    untouched = False


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
    """A database cannot be checked, counted or read here: that says nothing of the data.

    `reason` is why, as part of a sentence about the database.
    """

    def __init__(self, message: str, hint: str = "", *, reason: str = "") -> None:
        super().__init__(message, hint)
        self.reason = reason


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
