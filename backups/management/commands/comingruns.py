from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.utils import timezone

from backups.management.base import BackupCommand
from backups.service.monitoring.coming import (
    Coming,
    Group,
    Past,
    coming_runs,
    describe_coming,
    describe_past,
    past_runs,
)
from destinations.lib.formats import counted, human_duration, printable

NAMED = 3


class Command(BackupCommand):
    help = "Show the backups, drills and digests of the next 24 hours, and what became of those of the last 24."

    def run(self, **options: Any) -> None:
        now = timezone.now()
        coming, past = coming_runs(now), past_runs(now)
        lines = [*_coming_lines(coming), "", *_past_lines(past)]
        data = {"coming": describe_coming(coming), "past": describe_past(past)}
        self.respond(data, "\n".join(map(printable, lines)))


def _coming_lines(coming: Coming) -> Iterator[str]:
    yield f"next 24 hours, until {_moment(coming.until)}"
    for outlook in coming.queues:
        slots = counted(outlook.slots, "backup")
        yield f"queue {outlook.name}: {counted(outlook.runs, 'run')}, {slots} at once, load {outlook.load:.0%}"
        for group in outlook.groups:
            yield f"  {_moment(group.first)}  {group.sort.value:7}  {_words(group)}"
            yield from (f"    {note}" for note in group.notes)
    for group in coming.digests:
        yield f"  {_moment(group.first)}  {group.cadence} of {group.names[0]}"
    for one in coming.unplanned:
        yield f"  never  {one.schedule} of {one.instance}: {one.reason}"
    if not coming.queues:
        yield "  no schedule runs, and no drill is due"


def _words(group: Group) -> str:
    parts = [group.cadence, _names(group.instances)]
    if group.runs > 1:
        parts.append(f"{'more than ' if group.is_cut else ''}{counted(group.runs, 'run')}, last {_moment(group.last)}")
    parts.append("not measured" if group.longest is None else f"up to {human_duration(group.longest)}")
    if group.waits:
        parts.append(f"{counted(group.waits, 'run')} to wait up to {human_duration(group.wait)}")
    if group.covered:
        parts.append(f"{counted(group.covered, 'slot')} covered by a backup that waits")
    if group.outlasting:
        parts.append(f"longer than until the next run: {_names(group.outlasting)}")
    return "; ".join(parts)


def _past_lines(past: Past) -> Iterator[str]:
    yield f"last 24 hours, since {_moment(past.since)}"
    for group in past.groups:
        counts = ", ".join(f"{number:,} {what}" for what, number in sorted(group.counts.items()))
        yield f"  queue {group.queue}: {group.title}, {_names(group.sorted_instances)}: {counts}"
    for trouble in past.troubles:
        of = f" ({trouble.schedule})" if trouble.schedule else ""
        reason = " ".join(filter(None, [trouble.reason, trouble.hint]))
        yield f"  {_moment(trouble.at)}  {trouble.title}: {trouble.instance}{of}" + (f": {reason}" if reason else "")
    if not past.groups:
        yield "  nothing ran"


def _names(names: list[str]) -> str:
    found = list(dict.fromkeys(names))
    more = f" and {len(found) - NAMED:,} more" if len(found) > NAMED else ""
    return ", ".join(found[:NAMED]) + more


def _moment(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M}"
