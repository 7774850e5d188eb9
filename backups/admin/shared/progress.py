"""The state, the progress and the timeline of a run in words; pages and their polling show the same ones."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, TypeVar

from django.db.models import Exists, OuterRef
from django.urls import reverse
from django.utils import timezone

from backups.admin.shared import formats
from backups.instances import inventory
from backups.models import BackupExecution, CopyExecution, DrillExecution, RestoreExecution, Run
from backups.models.querysets import RunQuerySet
from backups.runs.describe import describe_progress
from backups.service.drops.episodes import label_of
from destinations.lib.formats import counted, human_duration

AnyRuns = TypeVar("AnyRuns", bound=RunQuerySet[Any])
Status = Run.Status
# a queued run that waits longer may have no worker
WORKER_DUE = timedelta(seconds=15)
# the wait in the queue and the end have steps of their own
NO_STAGES = ("waiting", "done")
# shown only where the run reached it
ONLY_IF_REACHED = (RestoreExecution.Stage.ROLLING_BACK,)


def with_progress(runs: AnyRuns) -> AnyRuns:
    """Add `busy`: whether what it would have to wait for is running: the instance is in use, or another drill runs."""
    # annotated, because a query for each row would make lists slow
    if not runs.model.needs_instance:
        return runs.without_manifest().annotate(busy=Exists(runs.model.objects.running()))
    backup, restore = (
        Exists(rows.filter(instance=OuterRef("instance")))
        for rows in (BackupExecution.objects.running(), RestoreExecution.objects.running())
    )
    return runs.without_manifest().annotate(busy=backup | restore)


def live(run: Run) -> dict[str, Any]:
    """Return `describe_progress` with its words, the steps of the timeline and the URL to poll."""
    now = timezone.now()
    progress = describe_progress(run)
    label, tone = BADGES.get(type(run), _badge)(run)
    if run.status == Status.QUEUED:
        detail = _waiting(run, now)
    elif run.status == Status.RUNNING:
        detail = _running(run, progress["silent"], now)
    else:
        detail = COMPLETED[type(run)](run) if run.status == Status.COMPLETED else run.error_message
    return progress | {
        "label": label,
        "tone": tone,
        "detail": detail,
        "what": run.label.capitalize(),
        "status_url": reverse(f"admin:backups_{run._meta.model_name}_statuses"),
        "steps": steps(run, now),
    }


def steps(run: Run, now: datetime) -> list[dict[str, str]]:
    """Return the wait in the queue, every stage whether reached or not, and the end when there is one.

    The state of a step is done, now, ahead, skipped, or broken: the stage in which the run ended too early.
    """
    ended, completed = run.completed_at, run.status == Status.COMPLETED
    first = run.started_at or ended or now
    state = "now" if run.status == Status.QUEUED else "done" if run.started_at else "broken"
    found = [_step("waiting", "Waiting", state, run.created_at, first - run.created_at)]

    choices = run._meta.get_field("stage").flatchoices
    labels = {name: label for name, label in choices if name not in NO_STAGES}
    moments = [(str(name), datetime.fromisoformat(moment)) for name, moment in run.timeline]
    # the row may hold a stage of an earlier version that has no label any more
    begun = [(name, moment) for name, moment in moments if name in labels]
    last_state = "now" if run.is_active else "done" if completed else "broken"
    reached: dict[str, tuple[str, datetime, timedelta]] = {}
    for (name, began), (following, end) in pairwise([*begun, ("", ended or now)]):
        # two stages that take turns are shown once each, with all the time that each took
        _, start, before = reached.get(name, ("", began, timedelta()))
        reached[name] = ("done" if following else last_state, start, before + (end - began))
    for name, label in labels.items():
        if name in reached:
            found.append(_step(name, label, *reached[name]))
        elif name not in ONLY_IF_REACHED:
            found.append(_step(name, label, "ahead" if run.is_active else "skipped"))
    if not run.is_active:
        found.append(_step("end", run.get_status_display(), "done" if completed else "broken", ended, run.duration))
    return found


def _step(
    name: str, label: str, state: str, began: datetime | None = None, took: timedelta | None = None
) -> dict[str, str]:
    return {
        "name": name,
        "label": label,
        "state": state,
        "began": formats.clock(began) if began is not None else "",
        "took": human_duration(took) if took is not None else "",
    }


def _badge(run: Run) -> tuple[str, str]:
    """Return the label of the state of `run`, and the tone of its badge."""
    return run.get_status_display(), run.status


def _backup_badge(backup: BackupExecution) -> tuple[str, str]:
    # what became of the archive says more than that the backup was once completed
    if backup.is_missing:
        return "Missing", "late"
    if backup.deleted_at is not None:
        return "Deleted", "deleted"
    flawed = backup.has_archive and (backup.flaw or backup.open_drop or backup.lacks_a_copy)
    return backup.get_status_display(), "late" if flawed else backup.status


def _drill_badge(drill: DrillExecution) -> tuple[str, str]:
    if drill.status == Status.COMPLETED:
        return "Passed", drill.status
    if drill.status == Status.FAILED and not drill.verdict:
        return "No verdict", "late"
    return _badge(drill)


def _waiting(run: Run, now: datetime) -> str:
    if run.owner == Run.Owner.PROCESS and getattr(run, "adopted", False):
        return f"being imported by {run.worker}"
    if run.owner == Run.Owner.PROCESS:
        return f"{run.worker}, which created it, is about to run it"
    if getattr(run, "busy", False):
        slot = "the slot for copies" if isinstance(run, CopyExecution) else "the slot for drills"
        return f"waiting until {run.instance if run.needs_instance else slot} is free"
    if inventory().file_problem is not None:
        return "waiting until the instances file can be read"
    waited = now - run.created_at
    if waited < WORKER_DUE:
        return "waiting for a worker"
    return f"no worker took it for {human_duration(waited)}: is the worker running?"


def _running(run: Run, silent: bool, now: datetime) -> str:
    if silent:
        last = run.heartbeat_at or run.started_at or run.created_at
        return f"no heartbeat for {human_duration(now - last)}"
    if run.cancel_requested_at is not None:
        return f"stopping, cancelled by {run.cancel_requested_by}"
    return f"{run.get_stage_display()}, {run.progress_percent}%"


def _completed(backup: BackupExecution) -> str:
    if backup.deleted_at is not None:
        by = f"by {backup.deleted_by}" if backup.deleted_by else ""
        return ": ".join(filter(None, [by, backup.deleted_reason])) or "archive deleted"
    if backup.missing_at is not None:
        return f"found missing {formats.age(backup.missing_at)}"
    if backup.deleting_at is not None:
        return "archive is being deleted"
    pinned = "pinned" if backup.pinned else ""
    lacking = "a copy is missing" if backup.lacks_a_copy else ""
    return ", ".join(filter(None, [label_of(backup), lacking, backup.flaw, _warnings(backup), pinned]))


def _restored(restore: RestoreExecution) -> str:
    return ", ".join(filter(None, [_warnings(restore), "" if restore.acknowledged_at else "not acknowledged yet"]))


def _warnings(run: Run) -> str:
    return counted(len(run.warnings), "warning") if run.warnings else ""


# the badge where it is not that of the status, and the detail of a completed run, by model
BADGES: dict[type[Run], Callable[[Any], tuple[str, str]]] = {
    BackupExecution: _backup_badge,
    DrillExecution: _drill_badge,
}
COMPLETED: dict[type[Run], Callable[[Any], str]] = {
    BackupExecution: _completed,
    RestoreExecution: _restored,
    DrillExecution: _warnings,
    CopyExecution: _warnings,
}
