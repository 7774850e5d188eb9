# ruff: noqa: N818 - named for what happened; the base says that they are errors
"""Errors of backups, restores, drills and schedules, with a message and a hint for operators."""

import os

from destinations.lib.operator_error import OperatorError


class BackupError(OperatorError):
    """A refusal or failure of a backup, a restore, a drill or a schedule.

    `untouched` is true only where it is certain that nothing was changed.
    """

    untouched = False


class InstanceError(BackupError):
    """The instance is unknown, or its entry in instances.toml has errors."""


class ComponentError(BackupError):
    """A component cannot be exported completely."""


class MissingComponent(ComponentError):
    """A file of the component does not exist."""


class DamagedComponent(ComponentError):
    """A file of the component exists, but its content is damaged or of another kind."""


class DependsOnEnvironment(ComponentError):
    """A variable in an environment file has its value from the environment of the program that reads the file."""


class ScratchFailed(ComponentError):
    """The scratch folder is full or fails; the data itself may be good."""


class NotCheckable(ComponentError):
    """A database cannot be checked, counted or read on this host; the data itself may be good.

    `reason` says why, as part of a sentence about the database.
    """

    def __init__(self, message: str, hint: str = "", *, reason: str = "") -> None:
        super().__init__(message, hint)
        self.reason = reason


class Unresponsive(ComponentError):
    """The files of an instance lie on a mount that does not answer."""


class Untouched(ComponentError):
    """A component could not be restored, and is unchanged."""

    untouched = True


class Stranded(ComponentError):
    """A live file or folder, or what it was before, lies under another name, and could not be renamed back."""


class InstanceBusy(BackupError):
    """Another run of the same instance is running."""


class WorkspaceBusy(BackupError):
    """Another process of this host works on the same run."""


class NotQueued(BackupError):
    """The run was claimed, cancelled or ended before; or another process announces the same notices."""


class Cancelled(BackupError):
    """The run was cancelled."""


class PutOff(Cancelled):
    """A drill or a verification waits for another day: the daily reading budget of its destinations is used up."""

    exit_status = os.EX_TEMPFAIL


class Interrupted(BackupError):
    """The run must stop: its row was ended by another process, or its own process is being terminated."""


class Unrecorded(BackupError):
    """A restore has ended, and its end could not be written to the database of the site."""

    exit_status = 3


class TimedOut(BackupError):
    """The run took longer than BACKUP_TIMEOUT."""


class NotKept(BackupError):
    """The rule of the destination would delete the copy as soon as it is there."""


class NotDelivered(BackupError):
    """A notification did not arrive at one of its recipients; it is tried again."""


class NotDeletable(BackupError):
    """There is no archive to delete, or something protects it."""
