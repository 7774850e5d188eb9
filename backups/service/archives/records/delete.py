"""Deleting the archive of a backup: at the destination first, recorded afterwards; the row stays as history."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from backups.errors import NotDeletable
from backups.lib import audit
from backups.lib.os_signals import defer_signals
from backups.models import BackupCopy, BackupExecution
from backups.models.querysets import STORED
from backups.service.archives.leases import not_being_deleted, used_backups
from backups.service.archives.records.copies import REPEATED, change_copy, copies_of
from backups.service.archives.signatures import delete_signature
from backups.service.archives.trees.lists import forget_lists
from destinations.backends import Destination
from destinations.exceptions import DestinationError, NotFound
from destinations.lib.operator_error import OperatorError, sentences

State, Status = BackupCopy.State, BackupExecution.Status


def delete_backup(backup: BackupExecution, *, by: audit.Actor, reason: str) -> None:
    """Delete the archive at every destination.

    Raises NotDeletable when there is none, it is pinned or in use; DestinationError when it stays at a destination,
    after the others were tried.
    """
    problems: list[DestinationError] = []
    try:
        _require_deletable(backup)
        with _locked(backup):
            for copy in copies_of(backup):
                if copy.is_stored:
                    try:
                        with copy.destination.open() as destination:
                            _delete(destination, copy, by=by, reason=reason)
                    except DestinationError as error:
                        problems.append(error)
            if not problems:
                # what never arrived is not made up for any more
                for copy in copies_of(backup):
                    if copy.state != State.DELETED:
                        change_copy(copy, state=State.DELETED, next_try_at=None)
        backup.refresh_from_db(fields=REPEATED)
        if problems:
            raise problems[0]
    except OperatorError as error:
        audit.log(
            "backup.delete-refused", logging.WARNING, backup=backup.pk, instance=backup.instance,
            by=audit.name_of(by), error=error.message,
        )  # fmt: skip
        audit.note(by, backup, f"Deletion refused: {error.message}")
        raise


def delete_from(destination: Destination, copy: BackupCopy, *, by: audit.Actor, reason: str) -> None:
    """Delete one `copy` at its `destination`, which is open already; others stay. Raises as `delete_backup`."""
    with _locked(copy.execution):
        _delete(destination, copy, by=by, reason=reason)


def _delete(destination: Destination, copy: BackupCopy, *, by: audit.Actor, reason: str) -> None:
    backup = copy.execution
    # a deleted archive must be recorded as deleted, even when the process is terminated in between
    with defer_signals():
        try:
            destination.delete(copy.path)
        except NotFound:
            reason = f"{reason} (it was missing already)"
        try:
            delete_signature(destination, copy.path)
        except DestinationError as error:
            # harmless without its archive, whose deletion is recorded all the same
            audit.log("backup.signature-left", logging.WARNING, backup=backup.pk, error=error.message)
        with transaction.atomic():
            change_copy(
                copy,
                state=State.DELETED,
                deleted_at=timezone.now(),
                deleted_by=audit.name_of(by),
                deleted_reason=reason[:255],
                next_try_at=None,
            )
            if BackupExecution.objects.filter(pk=backup.pk, deleted_at__isnull=False).exists():
                forget_lists(backup)
            copy.destination.record_deletion()
    where = copy.destination.name
    audit.log(
        "backup.deleted", backup=backup.pk, instance=backup.instance, by=audit.name_of(by), destination=where,
        file=copy.path, reason=reason,
    )  # fmt: skip
    audit.note(by, backup, f"Deleted the archive {PurePosixPath(copy.path).name} at {where}: {reason}")


@contextmanager
def _locked(backup: BackupExecution) -> Iterator[None]:
    """Lock the archive against pinning, reading and a second deletion; `leases` explains the order."""
    now = timezone.now()
    free = STORED & Q(pinned=False) & not_being_deleted(now)
    taken = backup.transition(Status.COMPLETED, free, deleting_at=now)
    backup.refresh_from_db(fields=["status", "deleting_at", "deleted_at", "missing_at", "pinned", "pin_reason"])
    if not taken:
        # says which of the conditions failed
        _require_deletable(backup)
        raise NotDeletable(f"{backup} is being deleted by another process.")
    try:
        # only now: a reader that comes after this sees the lock, one that came before is seen here
        if backup.pk in used_backups():
            raise NotDeletable(f"{backup} is in use.", hint="Wait until nothing restores, verifies or downloads it.")
        yield
    finally:
        backup.transition(Status.COMPLETED, deleting_at=None)


def _require_deletable(backup: BackupExecution) -> None:
    if not backup.has_archive:
        raise NotDeletable(f"Backup {backup.pk} has no archive to delete.")
    if backup.pinned:
        raise NotDeletable(sentences(f"{backup} is pinned: {backup.pin_reason}"), hint="Unpin it first.")
