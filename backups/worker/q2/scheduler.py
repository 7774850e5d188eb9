"""Rows of the scheduler of django-q2, written only here. CRON only, because its other types drift with DST."""

from dataclasses import dataclass
from datetime import timedelta

from django.db import connections
from django.utils import timezone
from django_q.models import Schedule


@dataclass(frozen=True, slots=True)
class Entry:
    """Call `task` with `args` in `queue` at every minute that the five-field `cron` names, in the site's time zone."""

    name: str
    queue: str
    task: str
    cron: str
    args: tuple[str, ...] = ()

    def fields(self) -> dict[str, object]:
        return {
            "func": self.task,
            "args": repr(self.args) if self.args else None,
            "cluster": self.queue,
            "schedule_type": Schedule.CRON,
            "cron": self.cron,
            "repeats": -1,
            **dict.fromkeys(["kwargs", "hook", "minutes", "intended_date_kwarg"]),
        }


def is_migrated(using: str) -> bool:
    """Return whether the table of the scheduler exists: `migrate` of another app alone does not make it."""
    return Schedule._meta.db_table in connections[using].introspection.table_names()


def keep(entry: Entry, *, latest: timedelta) -> bool:
    """Ensure that exactly one row equals `entry` and is due within `latest`; True when something was repaired."""
    row, *surplus = Schedule.objects.filter(name=entry.name).order_by("pk") or [None]
    for extra in surplus:
        extra.delete()
    if row is None:
        Schedule.objects.create(name=entry.name, next_run=timezone.now(), **entry.fields())
        return True
    wrong = {field: value for field, value in entry.fields().items() if getattr(row, field) != value}
    if wrong or row.next_run is None or row.next_run > timezone.now() + latest:
        # django-q2 does not recompute the next run after a change, and a clock that was ahead leaves a distant one
        Schedule.objects.filter(pk=row.pk).update(next_run=timezone.now(), **wrong)
        return True
    return bool(surplus)
