"""What a schedule of several instances covers: in the list, on its page, and while its form is filled in."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import Count, Max, Min, Q, QuerySet
from django.http import HttpRequest

from backups.admin.schedules.actions import ScheduleAction, buttons
from backups.admin.shared import formats
from backups.errors import BackupError
from backups.models import BackupSchedule
from backups.service.schedules.coverage import covered_by, covering, require_scope
from backups.service.schedules.describe import scope_in_words
from destinations.lib.formats import counted

NOW = Q(parts__left_at=None)
# of their columns; what is longer is cut
LONGEST = {"scope": 16, "instance": 64, "label": 64}
MOST_INSTANCES = 1000


class InstanceFilter(admin.SimpleListFilter):
    """The schedules that cover an instance, alone or among others."""

    title, parameter_name = "instance", "instance"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        names = BackupSchedule.objects.of_one_instance().filter(left_at=None).order_by("instance")
        return [(name, name) for name in names.values_list("instance", flat=True).distinct()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[BackupSchedule]) -> QuerySet[BackupSchedule]:
        name = self.value()
        return queryset.filter(covering(name)) if name else queryset


def with_counts(schedules: "QuerySet[BackupSchedule]") -> "QuerySet[BackupSchedule]":
    """Return `schedules` with what the list says of their parts, whatever their number."""
    return schedules.annotate(
        covered=Count("parts", filter=NOW),
        paused=Count("parts", filter=NOW & Q(parts__paused_here=True)),
        failing=Count("parts", filter=NOW & Q(parts__enabled=True, parts__consecutive_failures__gt=0)),
        soonest=Min("parts__next_run"),
        soonest_retry=Min("parts__retry_at"),
        latest=Max("parts__last_run", filter=NOW),
    )


def state_of(schedule: Any) -> tuple[str, str, str]:
    """Return the status for the colour of the badge, its label, and the next run; of a row of `with_counts`."""
    next_run, retry_at = schedule.next_run or schedule.soonest, schedule.retry_at or schedule.soonest_retry
    soonest = min(filter(None, [next_run, retry_at]), default=None)
    coming = f"{'again' if soonest == retry_at else 'next'} {formats.until(soonest)}" if soonest else ""
    if not schedule.enabled:
        declared = f"no longer declared in the {schedule.managed_by}" if schedule.managed_by else "does not run"
        return "paused", "Paused", declared
    if schedule.covers_several and not schedule.covered:
        return "failing", "Covers no instance", "nothing is backed up by it"
    if schedule.failing:
        return "failing", f"Failing {schedule.failing} of {schedule.covered}", coming
    if schedule.consecutive_failures:
        return "failing", f"Failing {schedule.consecutive_failures} in a row", coming
    if schedule.type == BackupSchedule.Type.MANUAL:
        return "manual", "Manual", "runs only by Run now"
    if schedule.covers_several and schedule.paused == schedule.covered:
        return "paused", "Paused", "paused for each instance"
    return ("safe", "Active", coming) if coming else ("failing", "No next run", "its cadence has errors: edit it")


def words_of(schedule: Any) -> str:
    """Return what a row of `with_counts` backs up, with the number of instances where that is not said."""
    words, count = scope_in_words(schedule), counted(schedule.covered, "instance")
    words = words if words == count or not schedule.covers_several else f"{words}: {count} now"
    return f"{words}, {schedule.paused} paused" if schedule.paused else words


def part_rows(schedule: BackupSchedule, request: HttpRequest) -> list[tuple[BackupSchedule, str, list[ScheduleAction]]]:
    """Return the parts of `schedule`, each with its state in words and its buttons."""
    rows = []
    for part in schedule.parts.order_by("instance"):
        part.parent = schedule
        if part.left_at is not None:
            state = "left"
        elif not part.enabled:
            state = "paused"
        else:
            state = "failing" if part.consecutive_failures else "safe"
        rows.append((part, state, buttons(part, request.user)))
    return rows


def describe_cover(scope: str, instance: str, label: str, instances: list[str]) -> dict[str, Any]:
    """Return the instances that such a schedule would cover now; or why it would cover none."""
    schedule = BackupSchedule(scope=scope, instance=instance, label=label, instances=instances)
    try:
        if scope not in BackupSchedule.Scope:
            raise BackupError("Choose what it backs up.")
        require_scope(schedule)
    except BackupError as error:
        return {"covers": [], "covers_problem": error.text}
    return {"covers": covered_by(schedule), "covers_problem": ""}


def typed_scope(values: Any) -> Iterator[tuple[str, Any]]:
    """Yield the arguments of `describe_cover` in the query of a request, each cut to what its column takes."""
    for name, most in LONGEST.items():
        yield name, values.get(name, "")[:most]
    yield "instances", values.getlist("instances")[:MOST_INSTANCES]
