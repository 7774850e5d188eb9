"""Reasons about the service and its runs: late, failing, half restored, not described as it should be."""

from collections.abc import Iterator
from datetime import datetime
from textwrap import shorten

from backups.models import BackupSchedule, Run
from backups.service.monitoring.absent import LOSS, PROBLEM
from backups.service.monitoring.protection import taken_at
from backups.service.monitoring.verdict.facts import Facts
from backups.service.monitoring.verdict.level import Level
from backups.service.monitoring.verdict.limits import Limits
from backups.service.monitoring.verdict.reason import Reason
from destinations.lib.formats import counted, listed, rough_duration
from destinations.lib.operator_error import sentences

LONGEST_CAUSE = 160


def run_reasons(facts: Facts, now: datetime, limits: Limits) -> Iterator[Reason]:
    if (restore := facts.half_restored) is not None:
        yield _half_restored(facts, restore.pk, restore.is_verified, restore.completed_at)
    yield from _not_described(facts)
    if not facts.is_watched:
        return
    yield from _late(facts, now)
    yield from _failing(facts, limits)
    yield from _absent(facts)
    if facts.config_problem:
        yield Reason(
            "configuration-broken", Level.AT_RISK,
            sentences(f"The configuration of {facts.instance} has errors: {facts.config_problem}"),
            "Correct it; what it declared before stays in force until then.",
        )  # fmt: skip
    if facts.restart_since is not None:
        yield Reason(
            "restart-pending", Level.AT_RISK,
            f"{facts.instance} has not been restarted since it was restored.",
            f"Restart it, then acknowledge the restore: `showrestore {facts.restart_by}` says how.",
            since=facts.restart_since,
        )  # fmt: skip
    if facts.outlook.paused and not facts.outlook.automatic:
        yield Reason(
            "schedules-paused", Level.AT_RISK,
            f"All schedules of {facts.instance} are paused, so no backup is made by itself.",
            "Resume one with `resumeschedule`, or delete them.",
        )  # fmt: skip
    elif facts.outlook.left and not facts.outlook.automatic and facts.is_described:
        last = max(facts.outlook.left, key=_left_at)
        yield Reason(
            "nothing-scheduled", Level.AT_RISK,
            f"Nothing is scheduled for {facts.instance}: schedule {last} does not cover it any more.",
            "Give it the label, or a schedule with `addschedule`. If it is to have none, let the schedule forget it, "
            "on its page or with `changeschedule`.",
            since=last.left_at,
        )  # fmt: skip


def cause_of(run: Run | None) -> str:
    """Return the error of a run that failed, as the end of a sentence."""
    return f": {shorten(run.error_message, LONGEST_CAUSE, placeholder=' …').rstrip('.')}" if run else ""


def _half_restored(facts: Facts, restore: str, is_verified: bool, since: datetime | None) -> Reason:
    if is_verified:
        text = f"The end of a restore of {facts.instance} went wrong: its data was applied and verified."
    else:
        text = f"{facts.instance} may be half restored: a restore failed and was not rolled back."
    hint = f"`showrestore {restore}` says more: undo the restore, or acknowledge it once the service is in order."
    return Reason("half-restored", Level.UNPROTECTED, text, hint, since=since)


def _not_described(facts: Facts) -> Iterator[Reason]:
    if facts.config_errors:
        yield Reason(
            "configuration-broken", Level.UNPROTECTED,
            sentences(f"{facts.instance} is not backed up: {facts.config_errors[0]}"),
            "Correct the instances file; `manage.py check` lists every mistake in it.",
        )  # fmt: skip
    elif not facts.is_described:
        left, schedules, delete = facts.outlook.left, "", "delete its schedules"
        if facts.outlook.automatic:
            schedules = ", and its schedules fail"
        elif left:
            schedules = f", and nothing is scheduled for it since schedule {left[0]} covers it no more"
            delete = f"let {listed([f'schedule {row}' for row in left])} forget it, with `changeschedule`"
        yield Reason(
            "not-in-instances-file", Level.UNPROTECTED,
            f"{facts.instance} is not in the instances file, so it is not backed up{schedules}.",
            f"Add it to the file again, or {delete}; its backups may stay.",
        )  # fmt: skip


def _late(facts: Facts, now: datetime) -> Iterator[Reason]:
    name, good, outlook = facts.instance, facts.good, facts.outlook
    again = f"See why with `listbackups {name}`, then run `backup {name}`."
    if good is None:
        if facts.missing or facts.damaged or facts.drills.failures:
            flaws = [
                f"{counted(facts.missing, 'archive')} missing" if facts.missing else "",
                f"{counted(facts.damaged, 'archive')} damaged" if facts.damaged else "",
                *(f"the last {run.kind} failed{cause_of(run)}" for run in facts.drills.failures[:1]),
            ]
            yield Reason(
                "nothing-restores", Level.UNPROTECTED,
                f"No backup of {name} is known to restore: {', '.join(filter(None, flaws))}.", again,
            )  # fmt: skip
        else:
            yield Reason(
                "never-backed-up", Level.UNPROTECTED, f"There is no backup of {name}{cause_of(facts.failure)}.",
                f"Run `backup {name}`, and give it a schedule with `addschedule`.",
            )  # fmt: skip
        return
    since = facts.overdue_from
    if since is not None and now > since:
        limit = f"schedule {outlook.strictest} demands one" if outlook.strictest else "without a schedule one is due"
        age = rough_duration(now - taken_at(good))
        yield Reason(
            "overdue", Level.UNPROTECTED,
            f"The newest good backup of {name} is {age} old, but {limit} by {since:%Y-%m-%d %H:%M} UTC"
            f"{cause_of(facts.failure)}.",
            again, since=since,
        )  # fmt: skip


def _failing(facts: Facts, limits: Limits) -> Iterator[Reason]:
    name, failure, good, failing = facts.instance, facts.failure, facts.good, list(facts.outlook.failing)
    recent = [row for row in failing if good is None or (row.last_run is not None and row.last_run > taken_at(good))]
    worst = max(recent, key=lambda row: row.consecutive_failures, default=None)
    if worst is not None and worst.consecutive_failures >= limits.failures_in_a_row:
        failing.remove(worst)
        yield Reason(
            "last-runs-failed", Level.UNPROTECTED,
            sentences(f"The last {worst.consecutive_failures} runs of schedule {worst} of {name} failed{_why(worst)}"),
            f"Correct what the error says, then run `backup {name}`.", since=worst.last_run,
        )  # fmt: skip
    elif failure is not None and good is not None:
        failing = [row for row in failing if row.pk != failure.schedule_id]
        yield Reason(
            "last-run-failed", Level.AT_RISK, f"The last backup of {name} failed{cause_of(failure)}.",
            sentences(failure.error_hint or f"`showbackup {failure.pk}` says more"), since=failure.completed_at,
        )  # fmt: skip
    # also where another schedule made the newest good backup, and one that could not even be started
    for row in failing:
        yield Reason(
            "schedule-failing", Level.AT_RISK, sentences(f"Schedule {row} of {name} failed{_why(row)}"),
            "Correct what the error says; the next slot tries it again.", str(row), row.last_run,
        )  # fmt: skip


def _left_at(schedule: BackupSchedule) -> datetime:
    return schedule.left_at or schedule.created_at


def _why(schedule: BackupSchedule) -> str:
    return f": {shorten(schedule.last_error, LONGEST_CAUSE, placeholder=' …')}" if schedule.last_error else ""


def _absent(facts: Facts) -> Iterator[Reason]:
    for item in facts.absent:
        if item["severity"] not in (PROBLEM, LOSS):
            continue
        what = f"{item['component']} of {facts.instance} is missing" if item["component"] else ""
        yield Reason(
            "component-missing", Level.AT_RISK,
            sentences(f"{what}: {item['reason']}" if what else f"{facts.instance} cannot be read: {item['reason']}"),
            sentences(item["hint"] or "Bring it back, or correct the instances file"), item["component"],
        )  # fmt: skip
