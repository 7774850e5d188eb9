"""Settling uploads whose end is not known: their archive is recorded when it is at its destination whole, or removed.

The path stays in the row of a copy when the process died, when what was stored could not be removed, and when a thread
was still at work at the end of the run. It is looked at by the tick, by `importbackups` and before the next attempt;
never while a run of the instance waits, because an archive of any size is read back for it.
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from backups.lib import audit
from backups.models import BackupCopy, BackupExecution, CopyExecution, Run
from backups.models.querysets import SOUND_COPY
from backups.runs import finish
from backups.runs.queue.ownership import is_on_this_host
from backups.runs.recovery.liveness import TIMEOUT_FACTOR
from backups.service.archives import budget
from backups.service.archives.fetch import HashingSink
from backups.service.archives.names import signature_of
from backups.service.archives.records.copied import record_copied
from backups.service.archives.records.copies import copies_of, copies_state, is_off_box, mirrored
from backups.service.archives.signatures import put_signature, read_signature, store_signature
from backups.service.backup.remove import remove_archive, remove_damaged
from destinations.backends import Destination
from destinations.backends.base import Progress
from destinations.exceptions import AppendOnly, ConnectionLost, DestinationError, Locked, NotFound
from destinations.models import BackupDestination, Reading

NOTE = "The process died after the upload. The archive was read back and is complete."
# after the first look that finds nothing: a process that was taken for dead, or its thread, may still publish
LATER = timedelta(minutes=10)
# for a destination that does not answer
RETRY = timedelta(minutes=30)
# while an archive is read back; the claim of a process that was killed expires
CLAIM = timedelta(hours=12)
# by an account that may not delete: as long as it has waited already, within these
REFUSED, REFUSED_AT_MOST = timedelta(days=1), timedelta(days=30)
State, Status = BackupCopy.State, BackupExecution.Status


def settle_uploads(
    destination: BackupDestination | None = None, *, now: datetime | None = None, until: datetime | None = None
) -> list[BackupCopy]:
    """Settle the uploads that are due; return the copies whose archive is recorded now. None is begun after `until`.

    With a `destination` those there that are soon due are too, not what another process reads back or keeps locked.
    An error of one does not stop the others: it is logged, and that destination is asked again later.
    """
    now = now or timezone.now()
    active = CopyExecution.objects.active().filter(copy=OuterRef("pk"))
    rows = BackupCopy.objects.filter(~Q(planned_path=""), ~Exists(active), destination__removed_at=None)
    rows = rows.exclude(execution__status__in=Run.ACTIVE)
    if destination is not None:
        rows = rows.filter(destination=destination)
    due = now if destination is None else now + RETRY
    rows = rows.filter(Q(look_again_at=None) | Q(look_again_at__lte=due))
    rows = rows.select_related("execution", "destination").defer("execution__manifest_json", "execution__config_json")
    recorded = []
    silent: set[str] = set()
    for copy in rows.order_by("look_again_at", "pk"):
        if until is not None and timezone.now() >= until:
            break
        if not _is_reached_from_here(copy, now):
            continue
        unchanged = BackupCopy.objects.filter(
            pk=copy.pk, planned_path=copy.planned_path, look_again_at=copy.look_again_at
        )
        again = now + (RETRY if copy.destination_id in silent else CLAIM)
        if not unchanged.update(look_again_at=again) or copy.destination_id in silent:
            continue
        try:
            if settle_upload(copy, now, resumes=copy.next_try_at is not None):
                recorded.append(copy)
        except Exception as error:
            known = finish.for_operator(error, "copy.crashed", copy=copy.pk, backup=copy.execution_id)
            silent.add(copy.destination_id)
            BackupCopy.objects.filter(pk=copy.pk).update(look_again_at=now + RETRY)
            audit.log(
                "copy.not-settled", logging.WARNING, backup=copy.execution_id, destination=copy.destination.name,
                file=copy.planned_path, error=known.message,
            )  # fmt: skip
    return recorded


def settle_upload(copy: BackupCopy, now: datetime, *, resumes: bool, progress: Progress | None = None) -> bool:
    """Look for the archive at the planned path of `copy`, and record it when it is wanted, else remove it.

    With `resumes` the parts that the next attempt goes on from are kept. False when nothing was recorded. Raises
    DestinationError.
    """
    path, backup = copy.planned_path, copy.execution
    stored = BackupCopy.objects.stored().filter(destination=copy.destination_id).exclude(pk=copy.pk)
    is_recorded = stored.filter(path=path).exists() or (copy.is_sound and copy.path == path)
    is_completed = backup.status == Status.COMPLETED and backup.deleted_at is None and backup.deleting_at is None
    # an archive counts once at a destination: it may have been found there and imported meanwhile
    is_twin = stored.filter(sha256=copy.sha256).exists()
    is_wanted = copy.state != State.DELETED and not copy.is_sound and not is_twin
    with copy.destination.open() as opened:
        if not (resumes and copy.upload_state):
            _sweep(opened, copy)
        if is_recorded:
            # also as the archive of a run that took the same name in the same second
            _forget(copy)
            return False
        found = _stored_archive(opened, copy, progress)
        if found is None:
            if resumes and copy.upload_state:
                BackupCopy.objects.filter(pk=copy.pk).update(look_again_at=now + CLAIM)
            elif copy.look_again_at is None or copy.look_again_at > now:
                # asked before its time: it is looked at again then
                again = copy.look_again_at or now + LATER
                BackupCopy.objects.filter(pk=copy.pk).update(look_again_at=again)
            else:
                _forget(copy)
            return False
        source, locked_until = found
        if is_wanted and (is_completed or backup.status == Status.INTERRUPTED):
            _sign(opened, copy, source)
            damaged = copy.path if copy.is_stored and copy.path != path else ""
            record = record_copied if is_completed else _complete_late
            recorded = record(copy, source, path, locked_until=locked_until)
            if recorded:
                fields = {"backup": backup.pk, "instance": backup.instance, "file": path}
                audit.log("backup.recovered", destination=copy.destination.name, **fields)
                if damaged:
                    remove_damaged(opened, copy, damaged)
            return recorded
        _remove(opened, copy, now)
    return False


def _is_reached_from_here(copy: BackupCopy, now: datetime) -> bool:
    """False for a folder of another host that has ended the upload lately: that host will look."""
    if is_off_box(copy.destination):
        return True
    last: Run | None = copy.runs.exclude(worker="").order_by("-created_at").first()
    run = last or copy.execution
    if not run.worker or is_on_this_host(run.worker):
        return True
    seen = run.heartbeat_at or run.started_at
    return seen is None or seen < now - TIMEOUT_FACTOR * timedelta(seconds=settings.BACKUP_HEARTBEAT_TIMEOUT)


def _sweep(opened: Destination, copy: BackupCopy) -> None:
    # the upload of a backup is named after that, one of a later attempt after the copy
    for token in (copy.execution_id, copy.pk):
        removed = opened.sweep(token, planned=(copy.planned_path, signature_of(copy.planned_path)))
        if removed:
            audit.log("backup.swept", backup=copy.execution_id, removed=",".join(removed))
    BackupCopy.objects.filter(pk=copy.pk).update(upload_state=None)


def _stored_archive(
    opened: Destination, copy: BackupCopy, progress: Progress | None
) -> tuple[BackupCopy, datetime | None] | None:
    """Return a copy that is the archive at the planned path of `copy`, itself or a sound one, and the end of its lock.

    None when there is none. The name alone proves nothing: the file may be another program's, or one that was cut.
    """
    siblings = list(copy.execution.copies.filter(SOUND_COPY).exclude(pk=copy.pk).select_related("destination"))
    candidates = [one for one in (copy, *siblings) if one.sha256]
    try:
        file = opened.stat(copy.planned_path)
        candidates = [one for one in candidates if one.size_bytes in (None, file.size_bytes)]
        if not candidates:
            return None
        sink = HashingSink()
        opened.get(copy.planned_path, sink, progress=progress)
        # counted and never put off: it is read once, and the archive may be the only one
        budget.settle(Reading.unlimited(copy.destination), file.size_bytes)
    except NotFound:
        return None
    same = [one for one in candidates if one.sha256 == sink.sha256.hexdigest()]
    return (same[-1], file.locked_until) if same else None


def _sign(opened: Destination, copy: BackupCopy, source: BackupCopy) -> None:
    """Store the signature of the archive at the planned path of `copy`."""
    path, backup = copy.planned_path, copy.execution
    if source.blake2b and not backup.adopted:
        put_signature(opened, path, source.blake2b, token=backup.pk)
    elif source.pk != copy.pk:
        # of whoever made the archive: this site cannot vouch for it
        with source.destination.open() as there:
            signature = read_signature(there, source.path)
        if signature is not None:
            store_signature(opened, path, signature.decode(), token=backup.pk)


def _complete_late(copy: BackupCopy, source: BackupCopy, path: str, *, locked_until: datetime | None) -> bool:
    """Complete the interrupted backup of `copy`, whose archive is at `path`."""
    backup = BackupExecution.objects.select_related("destination").get(pk=copy.execution_id)
    with transaction.atomic():
        if not record_copied(copy, source, path, verified_by="upload", locked_until=locked_until):
            return False
        # what a cancel or a dead process kept from arriving is made up for
        others = backup.copies.filter(state=State.FAILED)
        others.filter(next_try_at=None).update(next_try_at=timezone.now())
        facts = mirrored(copy) | {"copies_state": copies_state(copies_of(backup)), "planned_path": ""}
        if not finish.record_end(
            backup,
            finish.Ending(Status.COMPLETED),
            before=Status.INTERRUPTED,
            warnings=[*backup.warnings, NOTE],
            **facts,
        ):
            transaction.set_rollback(True)
            return False
    return True


def _remove(opened: Destination, copy: BackupCopy, now: datetime) -> None:
    """Delete the archive at the planned path of `copy`, which no backup is to have."""
    try:
        remove_archive(opened, copy.planned_path)
    except NotFound:
        pass
    except ConnectionLost:
        raise
    except DestinationError as error:
        where = copy.destination.name
        if isinstance(error, AppendOnly):
            # for good: `importbackups` adopts it
            _forget(copy)
        else:
            # that does not change within minutes, and the archive is read back each time
            until = (error.until if isinstance(error, Locked) else None) or copy.locked_until
            waited = now - (copy.execution.completed_at or copy.created_at)
            refused = now + min(max(waited, REFUSED), REFUSED_AT_MOST)
            again = refused if until is None or until < now - RETRY else max(until, now + RETRY)
            BackupCopy.objects.filter(pk=copy.pk).update(locked_until=until, look_again_at=again)
        audit.log(
            "backup.archive-left", logging.WARNING, backup=copy.execution_id, destination=where, file=copy.planned_path,
            error=error.message,
        )  # fmt: skip
        return
    audit.log("backup.archive-removed", backup=copy.execution_id, destination=copy.destination.name)
    _forget(copy)


def _forget(copy: BackupCopy) -> None:
    """Record that nothing of this upload is left."""
    rows = BackupCopy.objects.filter(pk=copy.pk, planned_path=copy.planned_path)
    rows.update(planned_path="", look_again_at=None)
