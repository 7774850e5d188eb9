"""A schedule by its name, and in words and values for people and scripts."""

from typing import Any

from backups.errors import BackupError
from backups.models import BackupSchedule


def find_schedule(name: str) -> BackupSchedule:
    schedule = BackupSchedule.objects.select_related("destination").filter(name=name).first()
    if schedule is None:
        raise BackupError(f"there is no schedule {name!r}", hint="`listschedules` prints their names")
    return schedule


def describe_schedule(schedule: BackupSchedule) -> dict[str, Any]:
    """Return what a script may want to know; times in ISO 8601."""
    moments = {name: getattr(schedule, name) for name in ("next_run", "last_run", "retry_at", "created_at")}
    return {
        "id": schedule.pk,
        "name": schedule.name,
        "instance": schedule.instance,
        "destination": schedule.destination.name,
        "type": schedule.type,
        "expression": schedule.expression,
        "time_zone": schedule.time_zone,
        "enabled": schedule.enabled,
        "last_status": schedule.last_status,
        "consecutive_failures": schedule.consecutive_failures,
        "managed_by": schedule.managed_by,
    } | {name: moment.isoformat() if moment else None for name, moment in moments.items()}


def summary(schedule: BackupSchedule) -> str:
    when = f"next {schedule.next_run:%Y-%m-%d %H:%M} UTC" if schedule.next_run else "no next run"
    state = when if schedule.enabled else "paused"
    rhythm = f"{schedule.type} {schedule.expression}".strip()
    last = f"last {schedule.last_status}" if schedule.last_status else "has not run"
    where = f"{schedule.instance} to {schedule.destination.name}"
    return f"{schedule.name}: {where}, {rhythm} ({schedule.time_zone}), {state}, {last}"
