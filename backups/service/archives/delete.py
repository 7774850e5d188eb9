"""Deleting the archive of an execution: checked at the destination first, recorded then; the row stays as history."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from backups.errors import NotDeletable
from backups.lib import audit
from backups.lib.os_signals import undisturbed
from backups.models import BackupExecution
from backups.models.querysets import STORED
from backups.service.archives.leases import not_being_deleted, used_executions
from backups.service.archives.signatures import delete_signature
from backups.service.archives.tree_lists import forget_lists
from destinations.backends import Destination
from destinations.exceptions import DestinationError, NotFound
from destinations.lib.operator_error import OperatorError

Status = BackupExecution.Status


def delete_backup(execution: BackupExecution, *, by: audit.Actor, reason: str) -> None:
    """Delete the archive.

    Raises NotDeletable when there is none, it is pinned or in use, DestinationError when it stays there.
    """
    try:
        _require_deletable(execution)
        with execution.destination.open() as destination:
            delete_from(destination, execution, by=by, reason=reason)
    except OperatorError as error:
        audit.log(
            "backup.delete-refused", logging.WARNING, execution=execution.pk, instance=execution.instance,
            by=audit.name_of(by), error=error.message,
        )  # fmt: skip
        audit.note(by, execution, f"Deletion refused: {error.message}")
        raise


def delete_from(destination: Destination, execution: BackupExecution, *, by: audit.Actor, reason: str) -> None:
    """Delete the archive at its `destination`, which is open already. Raises as `delete_backup`."""
    # what is gone has to be recorded as gone, whatever tells the process to end in between
    with _held(execution), undisturbed():
        try:
            destination.delete(execution.backup_path)
        except NotFound:
            reason = f"{reason} (it was gone already)"
        _delete_signature(destination, execution)
        with transaction.atomic():
            execution.moved(Status.COMPLETED, deleted_at=timezone.now(), deleted_reason=reason[:255])
            forget_lists(execution)
    audit.log(
        "backup.deleted", execution=execution.pk, instance=execution.instance, by=audit.name_of(by),
        file=execution.backup_path, reason=reason,
    )  # fmt: skip
    audit.note(by, execution, f"Deleted the archive {execution.backup_filename}: {reason}")


def _delete_signature(destination: Destination, execution: BackupExecution) -> None:
    """The archive is gone, and that is recorded whatever becomes of its signature, which says nothing without it."""
    try:
        delete_signature(destination, execution.backup_path)
    except DestinationError as error:
        audit.log("backup.signature-left", logging.WARNING, execution=execution.pk, error=error.message)


@contextmanager
def _held(execution: BackupExecution) -> Iterator[None]:
    """Take hold of the archive, so that nobody pins, reads or deletes it meanwhile; see `uses` for the order."""
    now = timezone.now()
    free = STORED & Q(pinned=False) & not_being_deleted(now)
    taken = execution.moved(Status.COMPLETED, free, deleting_at=now)
    execution.refresh_from_db(fields=["status", "deleting_at", "deleted_at", "missing_at", "pinned", "pin_reason"])
    if not taken:
        _require_deletable(execution)
        raise NotDeletable(f"{execution} is being deleted by somebody else")
    try:
        if execution.pk in used_executions():
            raise NotDeletable(f"{execution} is in use", hint="wait until nothing restores, checks or downloads it")
        yield
    finally:
        execution.moved(Status.COMPLETED, deleting_at=None)


def _require_deletable(execution: BackupExecution) -> None:
    if not execution.has_archive:
        raise NotDeletable(f"execution {execution.pk} has no archive to delete")
    if execution.pinned:
        raise NotDeletable(f"{execution} is pinned: {execution.pin_reason}", hint="unpin it first")
