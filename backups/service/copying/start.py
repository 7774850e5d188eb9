"""Starting to copy a backup to one more destination, or to make up for a copy that is missing or damaged."""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from backups.errors import BackupError, NotKept
from backups.lib import audit
from backups.models import BackupCopy, BackupExecution, CopyExecution
from backups.models.querysets import SOUND_COPY
from backups.runs.queue.deduplication import AlreadyWaiting
from backups.runs.queue.ownership import process_owner_fields
from backups.runs.queue.queues import queue_of
from backups.service.archives.due import is_due
from backups.service.archives.records.copies import change_copy, lock, plan_copies, readable_copies
from backups.service.retention.last_copies import not_kept
from destinations.models import BackupDestination
from destinations.policies.encryption_policy import Policy

State = BackupCopy.State
DUE_BY = "retry"
# by themselves, of one queue; each of them may take hours
MOST_AT_ONCE = 2


def start_copy(
    backup: BackupExecution, destination: BackupDestination, *, by: audit.Actor, run_id: str = ""
) -> CopyExecution:
    """Create the queued run that copies `backup` to `destination`; `run_copy` or a worker runs it.

    With a `run_id` it belongs to this process. Raises AlreadyWaiting when one to there is under way, BackupError when
    there is no sound copy to take, the destination has one, is disabled, or must not get what there is, NotKept when
    its rule would delete the copy at once.
    """
    if not backup.has_archive:
        raise BackupError(f"{backup} has no archive to copy.", hint="Name another backup.")
    if not destination.enabled:
        raise BackupError(f"Destination {destination.name} is disabled.", hint="Enable it, or choose another one.")
    require_source(backup, destination)
    name = audit.name_of(by)
    run = CopyExecution(instance=backup.instance, triggered_by=name, **process_owner_fields(run_id))
    active: CopyExecution | None = None
    # before the transaction: it reads all backups of the instance there, and on SQLite every other writer waits
    why = not_kept(destination, backup, timezone.now())
    with transaction.atomic():
        lock(backup.pk)
        plan_copies(backup, [destination])
        run.copy = backup.copies.select_related("destination").get(destination=destination)
        if run.copy.is_sound:
            raise BackupError(f"{destination.name} has a sound copy of {backup} already.")
        if why:
            raise NotKept(
                f"{backup} is not copied to {destination.name}: {why}.",
                hint="Pin the backup, which keeps each of its copies, or choose another destination.",
            )
        if run.copy.state == State.DELETED:
            gone = {"path": "", "deleted_at": None, "deleted_by": "", "deleted_reason": "", "missing_at": None}
            change_copy(run.copy, state=State.WAITING, cooled_at=None, **gone)
        try:
            with transaction.atomic():
                run.save(force_insert=True)
        except IntegrityError:
            active = run.copy.runs.active().first()
            if active is None:
                raise
    if active is not None:
        raise AlreadyWaiting(f"A copy of {backup} to {destination.name} is under way already.", run=active)
    audit.log(
        "copy.queued", copy=run.pk, backup=backup.pk, instance=run.instance, destination=destination.name, by=name
    )
    audit.note(by, backup, f"Started a copy to {destination.name}.")
    return run


def may_be_source(copy: BackupCopy, destination: BackupDestination) -> bool:
    """True when the archive of `copy` may be stored at `destination`: nothing is encrypted or decrypted on the way."""
    allowed = destination.policy != Policy.REQUIRED or bool(copy.encryption)
    return copy.is_sound and copy.destination_id != destination.pk and allowed


def require_source(backup: BackupExecution, destination: BackupDestination) -> None:
    """Raise BackupError when no copy of `backup` may be stored at `destination`."""
    others = [copy for copy in readable_copies(backup) if copy.is_sound and copy.destination_id != destination.pk]
    if not others:
        raise BackupError(f"{backup} has no other sound copy.", hint="Back up again to that destination.")
    twins = BackupCopy.objects.stored().filter(destination=destination, sha256__in=[copy.sha256 for copy in others])
    if (twin := twins.exclude(execution=backup).first()) is not None:
        # one archive counts once at a destination
        raise BackupError(
            f"{destination.name} has the same archive already, as backup {twin.execution_id}.", hint="Use that one."
        )
    if not any(may_be_source(copy, destination) for copy in others):
        raise BackupError(
            f"{destination.name} takes encrypted archives only, and every other copy of {backup} is plain.",
            hint=f"A copy is stored as it is. Set a key (docs/encryption.md) and back up to {destination.name}.",
        )


def start_due(queue: str, now: datetime | None = None) -> list[CopyExecution]:
    """Queue copies of `queue` that are missing or damaged and due for another try; the caller enqueues them."""
    now = now or timezone.now()
    others = BackupCopy.objects.filter(SOUND_COPY, execution=OuterRef("execution")).exclude(pk=OuterRef("pk"))
    active = CopyExecution.objects.active().filter(copy=OuterRef("pk"))
    due = BackupCopy.objects.filter(
        ~Exists(active),
        Exists(others),
        ~SOUND_COPY & ~Q(state=State.DELETED),
        is_due("next_try_at", now),
        destination__enabled=True,
        execution__status=BackupExecution.Status.COMPLETED,
        execution__deleted_at=None,
        execution__missing_at=None,
    )
    waiting = CopyExecution.objects.active().filter(triggered_by=DUE_BY).values_list("instance", flat=True)
    # those that were started before and have not ended: more would only wait, and keep their backups in use
    room = MOST_AT_ONCE - sum(queue_of(name) == queue for name in waiting)
    started: list[CopyExecution] = []
    if room <= 0:
        return started
    names = due.order_by().values_list("execution__instance", flat=True).distinct()
    mine = due.filter(execution__instance__in=[name for name in names if queue_of(name) == queue])
    rows = mine.select_related("execution", "destination").order_by("next_try_at")
    for copy in rows.defer("execution__manifest_json", "execution__config_json")[: 10 * MOST_AT_ONCE]:
        if len(started) == room:
            break
        try:
            started.append(start_copy(copy.execution, copy.destination, by=DUE_BY))
        except AlreadyWaiting:
            continue
        except NotKept as error:
            _let_go(copy, error, now)
        except BackupError as error:
            # nothing changes by itself soon: the page says what to do
            change_copy(copy, error=error.message, error_hint=error.hint, next_try_at=None)
    return started


def _let_go(copy: BackupCopy, error: NotKept, now: datetime) -> None:
    """Record that `copy` is not made, as retention would delete it; a damaged archive there stays for inspection."""
    if copy.condition == "damaged":
        change_copy(copy, error=error.message, error_hint=error.hint, next_try_at=None)
        return
    gone = {"state": State.DELETED, "deleted_at": now, "deleted_by": "retention", "deleted_reason": error.message[:255]}
    if change_copy(copy, ~SOUND_COPY & ~Q(state=State.DELETED), next_try_at=None, **gone):
        audit.log("copy.not-kept", backup=copy.execution_id, destination=copy.destination.name, reason=error.message)
