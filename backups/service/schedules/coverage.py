"""Which instances a schedule covers, as instances.toml says now, and a part with slots of its own for each."""

import logging
from collections.abc import Sequence

from django.db import transaction
from django.db.models import Q

from backups.errors import BackupError
from backups.instances import Inventory, get_instance, inventory, is_settled
from backups.lib import audit
from backups.models import BackupSchedule
from backups.runs.queue.queues import queue_of
from backups.service.schedules.parts import join, leave

Scope = BackupSchedule.Scope
# the columns that say which instances a schedule covers
SCOPE = frozenset({"scope", "instance", "instances", "label"})


def covered_by(schedule: BackupSchedule, known: Inventory | None = None) -> list[str]:
    """Return the instances that `schedule` is for, by the instances file as it is now, in order."""
    known = inventory() if known is None else known
    if schedule.scope == Scope.INSTANCE:
        return [schedule.instance]
    if schedule.scope == Scope.INSTANCES:
        return sorted(schedule.instances or [])
    if schedule.scope == Scope.LABEL:
        return sorted(name for name, one in known.instances.items() if schedule.label in one.labels)
    return sorted(known.instances)


def covering(instance: str) -> Q:
    """Match the schedules that cover `instance`, as a person knows them: each once."""
    parts = BackupSchedule.objects.filter(instance=instance, parent__isnull=False, left_at=None)
    return Q(instance=instance, parent=None) | Q(pk__in=parts.values("parent"))


def require_scope(schedule: BackupSchedule) -> None:
    """Raise BackupError when the instances or the label of `schedule` are not in the instances file."""
    if schedule.scope == Scope.INSTANCE:
        get_instance(schedule.instance)
        return
    if (problem := inventory().file_problem) is not None:
        raise BackupError(
            f"It is not known which instances the schedule would cover: {problem.message}", hint=problem.hint
        )
    if schedule.scope == Scope.INSTANCES:
        if not schedule.instances:
            raise BackupError("No instance is named.", hint="Name at least one.")
        for name in schedule.instances:
            get_instance(name)
    elif not covered_by(schedule):
        if schedule.scope == Scope.LABEL:
            raise BackupError(
                f"No instance has the label {schedule.label!r}.",
                hint=f"Labels in the instances file: {', '.join(inventory().labels) or 'none'}.",
            )
        raise BackupError("The instances file describes no instance.", hint="Describe one first.")


def cover(queue: str) -> int:
    """Give each instance of `queue` a part of every schedule that now covers it, and end those that do not any more.

    Return how many parts changed. While the instances file cannot be read nothing changes: it is not known what it
    describes. No part ends while it is being written. An instance with errors in the file keeps its parts and gets no
    new one.
    """
    known = inventory()
    if known.file_problem is not None:
        return 0
    wide = BackupSchedule.objects.exclude(scope=Scope.INSTANCE).prefetch_related("parts")
    return sum(_update(schedule, list(schedule.parts.all()), known, queue) for schedule in wide)


def cover_now(schedule: BackupSchedule) -> int:
    """Do for the saved `schedule` what `cover` does in each tick, whatever the queues of its instances."""
    known = inventory()
    if not schedule.covers_several or known.file_problem is not None:
        return 0
    return _update(schedule, list(schedule.parts.all()), known)


def _update(schedule: BackupSchedule, parts: Sequence[BackupSchedule], known: Inventory, queue: str = "") -> int:
    """Add and end parts of `schedule`; with a `queue`, of its instances only."""
    # of an instance with errors in the file the labels are not known; one that is named is covered all the same
    unclear = {problem.instance for problem in known.problems} if schedule.scope != Scope.INSTANCES else set()
    wanted, covered = set(covered_by(schedule, known)), {part.instance for part in parts if part.left_at is None}
    joining, leaving = wanted - covered - unclear, covered - wanted - unclear
    # most often nothing leaves, and the file need not be looked at for each schedule
    if leaving and not is_settled():
        leaving = set()
    if queue:
        joining, leaving = ({name for name in names if queue_of(name) == queue} for names in (joining, leaving))
    if not joining and not leaving:
        return 0
    with transaction.atomic():
        # another tick, or a person, may have changed it since
        row = BackupSchedule.objects.select_for_update().filter(pk=schedule.pk).first()
        if row is None or not row.covers_several or set(covered_by(row, known)) != wanted:
            return 0
        joined, left = join(row, joining), leave(row, leaving)
    if joined:
        audit.log("schedule.joined", schedule=schedule.name, instances=",".join(joined))
    if left:
        audit.log("schedule.left", logging.WARNING, schedule=schedule.name, instances=",".join(left))
    return len(joined) + len(left)
