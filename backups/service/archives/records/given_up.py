"""Giving up copies that are not to be had any more: from then on nothing expects them, and they count as deleted."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from backups.errors import BackupError, NotDeletable
from backups.lib import audit
from backups.models import BackupCopy, BackupExecution
from backups.models.querysets import STORED_COPY
from backups.service.archives.asking import OpenedDestinations
from backups.service.archives.records.copies import change_copy
from backups.service.archives.records.missing import mark_returned
from backups.service.archives.signatures import delete_signature
from backups.service.archives.trees.lists import forget_lists
from destinations.exceptions import DestinationError, NotFound
from destinations.lib.formats import counted
from destinations.lib.operator_error import sentences
from destinations.models import BackupDestination

State, Status = BackupCopy.State, BackupExecution.Status
# what an upload may have left at a destination that is given up is not looked for any more
SETTLED: Mapping[str, object] = {"planned_path": "", "look_again_at": None, "upload_state": None}


@dataclass(slots=True)
class GivenUp:
    """The copies of a destination that were given up, and those that were not, with the reason.

    `lost` backups have no archive any more. Of so many `unsettled` uploads nobody looks for what they left there.
    """

    copies: list[BackupCopy] = field(default_factory=list)
    lost: list[BackupExecution] = field(default_factory=list)
    refused: list[tuple[BackupCopy, NotDeletable]] = field(default_factory=list)
    unsettled: int = 0


def give_up_copy(copy: BackupCopy, *, by: audit.Actor, reason: str) -> None:
    """Record that the archive of `copy` is not to be had at its destination any more; other copies stay.

    A destination that answers is asked: an archive that is there is not given up, and a damaged one is deleted. Raises
    NotDeletable when it is there, being made, given up already, or the last one of a pinned backup.
    """
    with OpenedDestinations() as opened:
        _give_up(copy, opened, by=by, reason=reason)


def give_up_destination(destination: BackupDestination, *, by: audit.Actor, reason: str) -> GivenUp:
    """Give up every copy at `destination`, each as `give_up_copy`. Raises BackupError for one that is enabled.

    A backup that did not complete has no copy to give up: its upload there is not settled any more.
    """
    if destination.enabled:
        raise BackupError(
            f"Destination {destination.name} is enabled.", hint="Disable it first: what is given up is not made again."
        )
    done = GivenUp()
    with OpenedDestinations() as opened:
        ended = Q(state=State.DELETED) | ~Q(execution__status__in=[Status.COMPLETED, *BackupExecution.ACTIVE])
        rows = destination.copies.exclude(ended).select_related("execution", "destination")
        for copy in rows.defer("execution__manifest_json", "execution__config_json"):
            try:
                _give_up(copy, opened, by=by, reason=reason)
            except NotDeletable as error:
                done.refused.append((copy, error))
            else:
                done.copies.append(copy)
        unsettled = destination.copies.filter(ended).exclude(planned_path="")
        done.unsettled = unsettled.exclude(runs__status__in=BackupExecution.ACTIVE).update(**SETTLED)
    lost = BackupExecution.objects.filter(deleted_at__isnull=False, pk__in=[copy.execution_id for copy in done.copies])
    done.lost = list(lost.without_manifest())
    audit.log(
        "destination.given-up", destination=destination.name, by=audit.name_of(by), reason=reason,
        copies=len(done.copies), lost=len(done.lost), refused=len(done.refused),
        unsettled=done.unsettled,
    )  # fmt: skip
    audit.note(by, destination, f"Gave up {counted(len(done.copies), 'copy', 'copies')}: {reason}")
    return done


def _give_up(copy: BackupCopy, opened: OpenedDestinations, *, by: audit.Actor, reason: str) -> None:
    backup, where = copy.execution, copy.destination.name
    remark = _require_lost(copy, opened)
    others = BackupCopy.objects.filter(STORED_COPY, execution=OuterRef("execution")).exclude(pk=OuterRef("pk"))
    # a pinned backup does not lose its last archive, nor does one that is being deleted change
    unchanged = Q(state=copy.state, path=copy.path, execution__deleting_at=None)
    free = Q(execution__pinned=False) | Exists(others) | ~STORED_COPY
    gone = {"state": State.DELETED, "deleted_at": timezone.now(), "deleted_by": audit.name_of(by), "next_try_at": None}
    if not copy.destination.enabled:
        gone |= SETTLED
    if not change_copy(copy, unchanged, free, **gone, deleted_reason=f"given up: {reason}{remark}"[:255]):
        raise NotDeletable(
            f"{backup} is pinned and this is its last copy, or it was changed by another process meanwhile.",
            hint="Look at its page again, and unpin it first.",
        )
    if copy.damaged_at is not None:
        _delete_damaged(copy, opened)
    if BackupExecution.objects.filter(pk=backup.pk, deleted_at__isnull=False).exists():
        forget_lists(backup)
    audit.log(
        "copy.given-up", backup=backup.pk, instance=backup.instance, destination=where, by=audit.name_of(by),
        reason=reason,
    )  # fmt: skip
    audit.note(by, backup, f"Gave up the copy at {where}: {reason}")


def _require_lost(copy: BackupCopy, opened: OpenedDestinations) -> str:
    """Raise NotDeletable unless `copy` may be given up; return a remark on what its destination has or says."""
    backup, where = copy.execution, copy.destination.name
    if backup.status != Status.COMPLETED:
        raise NotDeletable(f"{backup} is {backup.status}.", hint="Wait for its end.")
    if copy.state == State.DELETED:
        raise NotDeletable(f"{backup} has no copy at {where} to give up.")
    if copy.runs.active().exists():
        raise NotDeletable(f"A copy of {backup} to {where} is under way.", hint="Wait for its end, or cancel it.")
    if not copy.is_stored:
        return ""
    try:
        size = opened.size_of(copy)
    except NotFound:
        return ""
    except DestinationError as error:
        if copy.is_sound and copy.destination.enabled:
            raise NotDeletable(
                sentences(f"{where} does not answer, and its copy is not known to be lost: {error.message}"),
                hint="Try again when it answers, or disable the destination first when it is gone for good.",
            ) from error
        # its disk may be what was lost; an archive that turns up again is attached by importing the catalogue
        return " (its destination did not answer)"
    if copy.damaged_at is not None:
        return " (it was damaged)"
    if copy.size_bytes not in (None, size):
        # an upload that broke off, or another file
        return f" (a file of {size} bytes is in its place)"
    if copy.missing_at is None:
        raise NotDeletable(f"{backup} is at {where}.", hint="It is not lost: there is nothing to give up.")
    mark_returned(copy)
    raise NotDeletable(
        f"{backup} is at {where} again.", hint="That copy is not marked as missing any more: verify the backup."
    )


def _delete_damaged(copy: BackupCopy, opened: OpenedDestinations) -> None:
    """Delete the damaged archive of `copy`, which no row names any more; the catalogue shows one that stays."""
    try:
        destination = opened.open(copy.destination)
        destination.delete(copy.path)
        delete_signature(destination, copy.path)
    except NotFound:
        return
    except DestinationError as error:
        audit.log("copy.damaged-left", logging.WARNING, backup=copy.execution_id, file=copy.path, error=error.message)
