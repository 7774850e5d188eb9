"""Removing archives that no backup is to have: of an upload that failed, or one that was replaced."""

import logging
from datetime import datetime

from backups.lib import audit
from backups.lib.os_signals import defer_signals
from backups.models import BackupCopy
from backups.runs.finish import for_operator
from backups.service.archives.signatures import delete_signature
from destinations.backends import Destination
from destinations.exceptions import Locked, NotFound
from destinations.lib.operator_error import OperatorError, sentences

State = BackupCopy.State


def remove_archive(opened: Destination, path: str) -> None:
    """Delete the archive at `path` and its signature. Raises as `Destination.delete`."""
    opened.delete(path)
    delete_signature(opened, path)


def remove_published(copy: BackupCopy, path: str, *, locked_until: datetime | None) -> OperatorError | None:
    """Remove what an upload for `copy`, which failed afterwards, has published at `path`.

    Nothing is removed that another process has recorded meanwhile. Returns why something stays: the path is in the row
    then, and `settle_uploads` looks there. `locked_until` is the end of its lock, as far as it is known.
    """
    rows = BackupCopy.objects.filter(pk=copy.pk)
    # a reaper may have taken this process for dead, found the archive and recorded it: then it stays
    if rows.filter(path=path, state=State.STORED, missing_at=None).exists():
        return None
    where = copy.destination.name
    try:
        with defer_signals(), copy.destination.open() as opened:
            remove_archive(opened, path)
    except NotFound:
        pass
    # the error that ended the upload is the one to be raised
    except Exception as error:
        known = for_operator(error, "copy.crashed", backup=copy.execution_id, destination=where)
        until = (error.until if isinstance(error, Locked) else None) or locked_until
        rows.update(planned_path=path, look_again_at=None, locked_until=until)
        audit.log(
            "backup.archive-left", logging.WARNING, backup=copy.execution_id, destination=where, file=path,
            error=known.message,
        )  # fmt: skip
        return known
    rows.filter(planned_path=path).update(planned_path="", upload_state=None)
    return None


def with_what_stays(error: Exception, path: str, kept: OperatorError, **fields: object) -> OperatorError:
    """Return `error` with a sentence about the archive at `path`, which stays because of `kept`."""
    known = for_operator(error, "copy.crashed", **fields)
    text = f"What was stored at {path} could not be removed and is looked at again"
    return known.adding(f"{text}: {kept.message}")


def remove_damaged(opened: Destination, copy: BackupCopy, path: str) -> str:
    """Delete the damaged archive at `path` that `copy` had; return a warning when it stays.

    The catalogue shows one that stays: no row names it.
    """
    try:
        remove_archive(opened, path)
    except NotFound:
        pass
    except Exception as error:
        known = for_operator(error, "copy.crashed", backup=copy.execution_id, destination=copy.destination.name)
        audit.log("copy.damaged-left", logging.WARNING, backup=copy.execution_id, file=path, error=known.message)
        where = f"The damaged archive {path} could not be deleted at {copy.destination.name}"
        return sentences(f"{where}: {known.message}")
    return ""
