"""The state of a backup, a restore or a drill in words; pages and their polling show the same ones."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db.models import Exists, OuterRef
from django.urls import reverse
from django.utils import timezone

from backups.admin.shared.timeline import steps
from backups.models import BackupExecution, DrillExecution, RestoreExecution, Run
from backups.models.querysets import RunQuerySet
from backups.runs.describe import describe_progress
from destinations.lib.formats import human_duration

AnyRuns = TypeVar("AnyRuns", bound=RunQuerySet[Any])
Status = Run.Status
PATIENCE = timedelta(seconds=15)


def with_progress(runs: AnyRuns) -> AnyRuns:
    """Add `busy`: whether what it would have to wait for is running: the instance is in use, or another drill runs."""
    if not runs.model.needs_instance:
        return runs.without_manifest().annotate(busy=Exists(runs.model.objects.running()))
    backup, restore = (
        Exists(rows.filter(instance=OuterRef("instance")))
        for rows in (BackupExecution.objects.running(), RestoreExecution.objects.running())
    )
    return runs.without_manifest().annotate(busy=backup | restore)


def live(run: Run) -> dict[str, Any]:
    """Return `describe_progress` and its words, and the URL that tells them."""
    now = timezone.now()
    progress = describe_progress(run)
    words = {**_badge(run), "detail": _detail(run, progress["silent"], now)}
    words["what"] = run.word.capitalize()
    place = {"status_url": reverse(f"admin:backups_{run._meta.model_name}_statuses")}
    return progress | words | place | {"steps": [step.words() for step in steps(run, now)]}


def _badge(run: Run) -> dict[str, str]:
    """Return the word for its state, and the tone that it is said in."""
    special = BADGES[type(run)](run) if type(run) in BADGES else None
    return special or {"label": run.get_status_display(), "tone": run.status}


def _backup_badge(backup: BackupExecution) -> dict[str, str] | None:
    if backup.has_archive and (backup.flaw or backup.open_drop):
        return {"label": backup.get_status_display(), "tone": "late"}
    return None


def _drill_badge(drill: DrillExecution) -> dict[str, str] | None:
    if drill.status == Status.COMPLETED:
        return {"label": "Passed", "tone": drill.status}
    if drill.status == Status.FAILED and not drill.verdict:
        return {"label": "No verdict", "tone": "late"}
    return None


def _detail(run: Run, silent: bool, now: datetime) -> str:
    if run.status == Status.QUEUED:
        return _waiting(run, now)
    if run.status == Status.RUNNING:
        return _running(run, silent, now)
    return COMPLETED[type(run)](run) if run.status == Status.COMPLETED else run.error_message


def _waiting(run: Run, now: datetime) -> str:
    if run.owner == Run.Owner.PROCESS:
        return f"{run.worker}, which made it, is about to run it"
    if getattr(run, "busy", False):
        whom = run.instance if run.needs_instance else "the place for drills"
        return f"waiting until {whom} is free"
    waited = now - run.created_at
    if waited < PATIENCE:
        return "waiting for a worker"
    return f"no worker took it for {human_duration(waited)}: is the worker running?"


def _running(run: Run, silent: bool, now: datetime) -> str:
    if silent:
        last = run.heartbeat_at or run.started_at or run.created_at
        return f"no sign of life for {human_duration(now - last)}"
    if run.cancel_requested_at is not None:
        return f"stopping, as {run.cancel_requested_by} asked"
    return f"{run.get_stage_display()}, {run.progress_percent}%"


def _completed(execution: BackupExecution) -> str:
    if execution.deleted_at is not None:
        return "archive deleted"
    if execution.missing_at is not None:
        return "archive missing"
    if execution.deleting_at is not None:
        return "archive is being deleted"
    dropped = "data dropped" if execution.open_drop else ""
    pinned = "pinned" if execution.pinned else ""
    return ", ".join(filter(None, [dropped, execution.flaw, _warnings(execution), pinned]))


def _restored(restore: RestoreExecution) -> str:
    return ", ".join(filter(None, [_warnings(restore), "" if restore.acknowledged_at else "not acknowledged yet"]))


def _warnings(run: Run) -> str:
    count = len(run.warnings)
    return f"{count} warning{'s' if count > 1 else ''}" if count else ""


# by model: the badge where it is not that of the status, and what a completed one tells
BADGES: dict[type[Run], Callable[[Any], dict[str, str] | None]] = {
    BackupExecution: _backup_badge,
    DrillExecution: _drill_badge,
}
COMPLETED: dict[type[Run], Callable[[Any], str]] = {
    BackupExecution: _completed,
    RestoreExecution: _restored,
    DrillExecution: _warnings,
}
