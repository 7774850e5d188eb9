"""Asking other destinations, before a copy is deleted, whether the sound ones that are recorded there are there."""

from django.utils import timezone

from backups.errors import NotDeletable
from backups.models import BackupCopy
from backups.models.querysets import LARGE_COLUMNS
from backups.service.archives.asking import OpenedDestinations
from backups.service.archives.records.missing import mark_changed, mark_missing
from destinations.exceptions import DestinationError, NotFound
from destinations.lib.operator_error import sentences

LARGE = tuple(f"execution__{column}" for column in LARGE_COLUMNS)


def require_another(copy: BackupCopy, opened: OpenedDestinations) -> None:
    """Raise NotDeletable unless another destination has the archive of a sound copy, by name and size.

    One that is gone or has another size is marked as missing or damaged, so that it is made again from this one.
    """
    backup = copy.execution
    others = BackupCopy.objects.sound().filter(execution=copy.execution_id).exclude(pk=copy.pk)
    unknown: tuple[str, DestinationError] | None = None
    for other in others.select_related("destination", "execution").defer(*LARGE):
        try:
            size = opened.size_of(other)
        except NotFound:
            mark_missing(other, timezone.now())
        except DestinationError as error:
            unknown = unknown or (other.destination.name, error)
        else:
            if other.size_bytes in (None, size):
                return
            mark_changed(other, timezone.now(), size)
    if unknown is None:
        raise NotDeletable(f"It has become the last sound copy of {backup}.")
    where, problem = unknown
    raise NotDeletable(
        sentences(f"{where} could not be asked whether its copy is there: {problem.message}"),
        hint=f"It is tried again when the rule is applied next. If {where} is gone for good, give up its copies.",
    )
