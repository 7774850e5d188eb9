"""Make an archive that was deleted at a destination, and that its store still keeps, a file again."""

import logging
from contextlib import suppress
from dataclasses import dataclass

from django.db.models import Q
from django.utils import timezone

from backups.lib import audit
from backups.models import BackupCopy, BackupExecution, DrillExecution
from backups.models.querysets import SOUND_COPY
from backups.runs.queue.deduplication import AlreadyWaiting
from backups.service.archives.names import signature_of
from backups.service.archives.records.copies import change_copy
from backups.service.archives.records.missing import mark_changed, mark_returned
from backups.service.drill.run import start_drill
from backups.service.retention.stored import with_backups
from destinations.exceptions import NotFound
from destinations.lib.formats import counted
from destinations.lib.operator_error import OperatorError
from destinations.models import BackupDestination


@dataclass(frozen=True, slots=True)
class BroughtBack:
    """The recorded `copy` that came back; None where the next update of the catalogue adopts the archive.

    `problem` says why the copy is not known to be good, and what to do.
    """

    copy: BackupCopy | None
    problem: str = ""


def bring_back(destination: BackupDestination, path: str, *, by: audit.Actor) -> BroughtBack:
    """Make the deleted archive at `path` a file again, with its signature.

    Whoever deleted it may have overwritten it before: of a recorded copy the newest version of its size comes back, if
    there is one. A copy with another size is marked as damaged, and one with the same size is not proven before a
    verification, which is queued, has read it. Raises DestinationError, `NotFound` when the store does not keep it.
    """
    copy = with_backups(BackupCopy.objects.stored().filter(destination=destination, path=path)).first()
    with destination.open() as opened:
        found = opened.restore_hidden(path, size=None if copy is None else copy.size_bytes)
        with suppress(NotFound):
            opened.restore_hidden(signature_of(path))
    audit.log("catalogue.undeleted", logging.WARNING, destination=destination.name, file=path, by=audit.name_of(by))
    audit.note(by, destination, f"Brought back the deleted archive {path}.")
    if copy is None:
        return BroughtBack(None)
    mark_returned(copy)
    if found.size_bytes == copy.size_bytes:
        return BroughtBack(copy, _prove_anew(copy, by))
    size = counted(found.size_bytes, "byte")
    mark_changed(copy, timezone.now(), found.size_bytes)
    return BroughtBack(
        copy,
        f"What came back is not the archive: it has {size}, and {counted(copy.size_bytes or 0, 'byte')} were uploaded. "
        "The copy is marked as damaged. The store may keep an earlier version of the file: look there with its tools, "
        "and find out who can write to it.",
    )


def _prove_anew(copy: BackupCopy, by: audit.Actor) -> str:
    """Take back that `copy` was verified, and queue a verification; return why there is none."""
    backup = copy.execution
    # drills and verifications read such a copy first
    change_copy(copy, SOUND_COPY, Q(path=copy.path), verified_at=None, verified_by="")
    if not backup.copies.sound().exclude(pk=copy.pk).exists():
        backup.transition(BackupExecution.Status.COMPLETED, verified_at=None)
    # the columns of the row that its copies decide have changed
    backup.refresh_from_db()
    try:
        start_drill(backup, by=by, kind=DrillExecution.Kind.VERIFICATION)
    except AlreadyWaiting:
        return ""
    except OperatorError as error:
        return f"It is not verified yet, and that could not be queued: {error.text} Verify the backup later."
    return ""
