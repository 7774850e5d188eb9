"""The actions on a run, who may do them and when: the buttons and their views check the same."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Generic, TypeVar

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User

from backups.models import BackupExecution, CopyExecution, DrillExecution, RestoreExecution, Run

VIEW = "backups.view_backupexecution"
VIEW_RESTORE = "backups.view_restoreexecution"
# either of them
SEE_SCHEDULES = ("backups.view_backupschedule", "backups.change_backupschedule")
AnyRun = TypeVar("AnyRun", bound=Run)


@dataclass(frozen=True, slots=True)
class Action(Generic[AnyRun]):
    """An action on runs of `model`. One that `has_page` is confirmed on it, the others are done by their button.

    `destroys` marks those after which something is gone, `restores` those that BACKUP_WEB_RESTORE turns off. `about` is
    what it does, in words that follow its label.
    """

    name: str
    label: str
    permission: str
    applies: Callable[[AnyRun], bool]
    model: type[AnyRun]
    has_page: bool = False
    destroys: bool = False
    restores: bool = False
    about: str = ""

    def allowed(self, user: User | AnonymousUser) -> bool:
        return may(user, self.permission) and sees(user, self.model)

    @property
    def is_on(self) -> bool:
        return not self.restores or bool(settings.BACKUP_WEB_RESTORE)

    @property
    def plain_label(self) -> str:
        # the dots say that a page follows
        return self.label.rstrip("…")

    @property
    def url_name(self) -> str:
        return f"admin:{self.model._meta.label_lower.replace('.', '_')}_{self.name}"


def may(user: User | AnonymousUser, permission: str) -> bool:
    """True for staff who may see backups and have `permission`, such as "run_backup"."""
    return user.is_staff and user.has_perms([VIEW, f"backups.{permission}"])


def may_run_schedules(user: User | AnonymousUser) -> bool:
    """True for staff who may see schedules and run, pause and resume them."""
    is_shown = any(user.has_perm(permission) for permission in SEE_SCHEDULES)
    return user.is_staff and is_shown and user.has_perm("backups.run_schedule")


def sees(user: User | AnonymousUser, model: type[Run]) -> bool:
    """True for users who may see runs of `model`. Drills and copies are seen with backups."""
    if issubclass(model, BackupExecution | DrillExecution | CopyExecution):
        return user.has_perm(VIEW)
    # whoever may start a restore has to see how it goes
    return user.has_perm(VIEW_RESTORE) or user.has_perms([VIEW, f"backups.{RESTORE.permission}"])


def _has_unpinned_archive(backup: BackupExecution) -> bool:
    return backup.has_archive and not backup.pinned


def _has_unsound_copies(backup: BackupExecution) -> bool:
    return backup.has_archive and backup.copies_state == backup.CopiesState.MISSING


def _can_be_cancelled(run: Run) -> bool:
    return run.is_active and run.cancel_requested_at is None


def _has_ended(run: Run) -> bool:
    return not run.is_active


def _can_be_undone(restore: RestoreExecution) -> bool:
    safety = restore.safety_backup
    if restore.is_active or safety is None or not safety.has_archive:
        return False
    # a restore that changed nothing has nothing to undo
    return bool(restore.touched) and not restore.undone_by.completed().exists()


def _can_be_acknowledged(restore: RestoreExecution) -> bool:
    if restore.is_active or restore.acknowledged_at is not None or restore.safety_backup_id is None:
        return False
    # of one that was undone nothing is left to be judged: acknowledging the undo acknowledges it too
    return not restore.undone_by.completed().exists()


def _of_backup(
    name: str,
    label: str,
    permission: str,
    applies: Callable[[BackupExecution], bool],
    *,
    has_page: bool = False,
    destroys: bool = False,
    restores: bool = False,
    about: str = "",
) -> Action[BackupExecution]:
    return Action(name, label, permission, applies, BackupExecution, has_page, destroys, restores, about)


DOWNLOAD = _of_backup("download", "Download", "download_backup", attrgetter("has_archive"))
VERIFY = _of_backup(
    "verify",
    "Verify",
    "run_backup",
    attrgetter("has_archive"),
    about="fetches the archive and checks its signature, every checksum and every database.",
)
DRILL = _of_backup(
    "drill",
    "Drill",
    "run_backup",
    attrgetter("has_archive"),
    about="also restores it into a temporary directory, in full, and measures the time; the service is not touched.",
)
SIGNATURE = _of_backup("download_signature", "Download signature", "download_backup", attrgetter("has_archive"))
RESTORE = _of_backup("restore", "Restore…", "restore_backup", attrgetter("has_archive"), has_page=True, restores=True)
AGAIN = _of_backup("again", "Back up again", "run_backup", _has_ended)
CANCEL = _of_backup("cancel", "Cancel", "run_backup", _can_be_cancelled)
DELETE = _of_backup(
    "delete_archive", "Delete archive…", "delete_backup", _has_unpinned_archive, has_page=True, destroys=True
)
COPY = _of_backup("copy", "Copy to…", "run_backup", attrgetter("has_archive"), has_page=True)
PIN = _of_backup("pin", "Pin…", "pin_backup", _has_unpinned_archive, has_page=True)
UNPIN = _of_backup("unpin", "Unpin", "pin_backup", attrgetter("pinned"))
CONFIRM_DROP = _of_backup("confirm_drop", "Confirm drop…", "confirm_drop", attrgetter("open_drop"), has_page=True)
ACCEPT_LOSS = _of_backup("accept_loss", "Accept loss…", "delete_backup", attrgetter("is_missing"), has_page=True)
GIVE_UP = _of_backup("give_up_copy", "Give up a copy…", "delete_backup", _has_unsound_copies, has_page=True)
ACTIONS = (
    RESTORE,
    DOWNLOAD,
    SIGNATURE,
    VERIFY,
    DRILL,
    COPY,
    AGAIN,
    CANCEL,
    PIN,
    UNPIN,
    CONFIRM_DROP,
    DELETE,
    ACCEPT_LOSS,
    GIVE_UP,
)

UNDO = Action("undo", "Undo…", "restore_backup", _can_be_undone, RestoreExecution, has_page=True, restores=True)
ACKNOWLEDGE = Action("acknowledge", "Acknowledge restore", "restore_backup", _can_be_acknowledged, RestoreExecution)
CANCEL_RESTORE = Action("cancel", "Cancel", "restore_backup", _can_be_cancelled, RestoreExecution)
RESTORE_ACTIONS = (UNDO, CANCEL_RESTORE)

CANCEL_DRILL = Action("cancel", "Cancel", "run_backup", _can_be_cancelled, DrillExecution)
DRILL_ACTIONS = (CANCEL_DRILL,)

CANCEL_COPY = Action("cancel", "Cancel", "run_backup", _can_be_cancelled, CopyExecution)
COPY_ACTIONS = (CANCEL_COPY,)


def buttons(run: AnyRun, actions: Iterable[Action[AnyRun]], user: User | AnonymousUser) -> list[Action[AnyRun]]:
    """Return which of `actions` `user` may do with `run` now."""
    return [action for action in actions if action.is_on and action.allowed(user) and action.applies(run)]
