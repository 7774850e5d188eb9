"""The parts of a schedule of several instances: one for each instance, with slots of its own."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from django.utils import timezone

from backups.errors import BackupError
from backups.lib import audit
from backups.models import BackupExecution, BackupSchedule, ScheduleDestination
from backups.service.schedules.planning import PLANNED_BY, count_from_now, next_runs

# what a part repeats of its schedule
REPEATED = ("name", "destination_id", "type", "expression", "time_zone")
# what is known of the slots of one instance
STATE = (
    *("next_run", "last_run", "last_status", "last_error", "consecutive_failures", "retry_at"),
    *("active_since", "cadence_changed"),
)
WRITTEN = ("enabled", "left_at", "paused_here", *STATE, *(name.removesuffix("_id") for name in REPEATED))


def join(schedule: BackupSchedule, names: Collection[str]) -> list[str]:
    """Let `schedule`, whose row is locked, cover `names` from its next slot on; return those that it did not cover."""
    now, runs = timezone.now(), _next_run(schedule)
    existing = {part.instance: part for part in schedule.parts.select_for_update().filter(instance__in=names)}
    new, returning = [], []
    for name in sorted(names):
        part = existing.get(name)
        if part is None:
            part = BackupSchedule(parent=schedule, instance=name, created_by=schedule.created_by)
            new.append(part)
        elif part.left_at is not None:
            returning.append(part)
            # of slots that are long gone
            part.left_at, part.consecutive_failures, part.retry_at = None, 0, None
        else:
            continue
        _repeat(schedule, part)
        part.active_since, part.cadence_changed = now, False
        part.next_run = runs if part.enabled else None
    BackupSchedule.objects.bulk_create(new)
    BackupSchedule.objects.bulk_update(returning, WRITTEN, batch_size=200)
    _repeat_further(schedule, [*new, *returning])
    return sorted(part.instance for part in (*new, *returning))


def leave(schedule: BackupSchedule, names: Collection[str]) -> list[str]:
    """Let `schedule`, whose row is locked, cover `names` no more; return those that it covered.

    Their parts stay: the verdict says since when nothing is scheduled.
    """
    covered = schedule.parts.filter(instance__in=names, left_at=None)
    left = sorted(covered.values_list("instance", flat=True))
    ended = {"enabled": False, "next_run": None, "retry_at": None, "left_at": timezone.now()}
    covered.update(**ended)
    return left


def repeat(schedule: BackupSchedule) -> None:
    """Write what `schedule` says to its parts, in the caller's transaction; a changed cadence counts from now on."""
    parts = list(schedule.parts.select_for_update().order_by("pk"))
    following = _next_run(schedule) if parts else None
    for part in parts:
        before = {name: getattr(part, name) for name in PLANNED_BY}
        _repeat(schedule, part)
        if any(before[name] != getattr(part, name) for name in PLANNED_BY):
            _plan_anew(part, before, following)
    BackupSchedule.objects.bulk_update(parts, WRITTEN, batch_size=200)


def _plan_anew(part: BackupSchedule, before: Mapping[str, object], following: datetime | None) -> None:
    count_from_now(part, before)
    part.next_run, part.retry_at = following if part.enabled else None, None


def _repeat(schedule: BackupSchedule, part: BackupSchedule) -> None:
    for name in REPEATED:
        setattr(part, name, getattr(schedule, name))
    part.enabled = schedule.enabled and not part.paused_here and part.left_at is None


def _repeat_further(schedule: BackupSchedule, parts: Iterable[BackupSchedule]) -> None:
    parts, further = list(parts), list(schedule.further.all())
    ScheduleDestination.objects.filter(schedule__in=parts).delete()
    ScheduleDestination.objects.bulk_create(
        ScheduleDestination(schedule=part, destination_id=one.destination_id, position=one.position)
        for part in parts
        for one in further
    )


def _next_run(schedule: BackupSchedule) -> datetime | None:
    try:
        runs = next_runs(schedule, 1)
    except BackupError:
        # a custom cadence that fails: each tick tries to plan its parts, and reports the error
        return None
    return runs[0] if runs else None


def take_scope(schedule: BackupSchedule, was: BackupSchedule) -> None:
    """Make parts of a locked row that was of one instance, or the other way round, in the caller's transaction.

    `was` is the row before it was saved. What is known of the slots of an instance, and its runs, stay with it.
    """
    if schedule.covers_several and not was.covers_several:
        part = BackupSchedule(parent=schedule, instance=was.instance, created_by=schedule.created_by)
        _repeat(schedule, part)
        for name in STATE:
            setattr(part, name, getattr(was, name))
        before = {name: getattr(was, name) for name in PLANNED_BY}
        if any(before[name] != getattr(schedule, name) for name in PLANNED_BY):
            _plan_anew(part, before, _next_run(schedule))
        # none has slots now: they are of a time when it covered several before
        for old in schedule.parts.filter(instance=was.instance):
            _hand_runs(old, schedule, was.instance)
            old.delete()
        part.save(force_insert=True)
        _repeat_further(schedule, [part])
        _hand_runs(schedule, part, was.instance)
        forget_state(schedule)
    elif was.covers_several and not schedule.covers_several:
        schedule.next_run = _next_run(schedule) if schedule.enabled else None
        for own in schedule.parts.filter(instance=schedule.instance):
            for name in STATE if own.enabled and schedule.enabled else ():
                setattr(schedule, name, getattr(own, name))
            _hand_runs(own, schedule, own.instance)
            own.delete()
        schedule.save()
        leave(schedule, list(schedule.parts.values_list("instance", flat=True)))


def _hand_runs(schedule: BackupSchedule, to: BackupSchedule, instance: str) -> None:
    """Let the runs of `schedule` that are of `instance` be of `to`, but those for a slot that has a run there."""
    # of another instance, when the schedule was of that one
    taken = BackupExecution.objects.filter(schedule=to, scheduled_for__isnull=False).values("scheduled_for")
    runs = BackupExecution.objects.filter(schedule=schedule, instance=instance)
    runs.exclude(scheduled_for__isnull=False, scheduled_for__in=taken).update(schedule=to)


def forget_state(schedule: BackupSchedule) -> None:
    """Empty what is known of slots in the row of a schedule of several instances: its parts have it."""
    schedule.next_run = schedule.last_run = schedule.retry_at = None
    schedule.last_status, schedule.last_error, schedule.consecutive_failures = "", "", 0
    schedule.save(update_fields=[name for name in STATE if name not in ("active_since", "cadence_changed")])


def running_now(schedule: BackupSchedule) -> list[BackupSchedule]:
    """Return the rows that a run of `schedule` by hand is for: its parts but those paused for their instance alone.

    Raises BackupError when there is none.
    """
    if not schedule.covers_several:
        return [schedule]
    rows = schedule.parts.filter(left_at=None, paused_here=False).order_by("instance")
    found = list(rows.select_related("destination", "parent").prefetch_related("further__destination"))
    if not found:
        raise BackupError(f"Schedule {schedule.name} covers no instance that is not paused.")
    return found


def forget(schedule: BackupSchedule, instance: str, *, by: audit.Actor) -> None:
    """Delete the part of an instance that `schedule` covers no more. Raises BackupError when it still covers it."""
    part = schedule.parts.filter(instance=instance).first()
    if part is None:
        raise BackupError(f"Schedule {schedule.name} never covered {instance}.")
    if part.left_at is None:
        raise BackupError(
            f"Schedule {schedule.name} covers {instance}.", hint="Take it out of the schedule, or pause it for it."
        )
    part.delete()
    audit.log("schedule.forgot", schedule=schedule.name, instance=instance, by=audit.name_of(by))
    audit.note(by, schedule, f"Forgot {instance}, which it no longer covers.")
