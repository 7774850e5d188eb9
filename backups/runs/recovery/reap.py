"""The reaper: ends runs whose process died without recording the end."""

from django.db.models import Q
from django.utils import timezone

from backups.models import Run
from backups.runs import workspace
from backups.runs.log_lines import kept_log
from backups.runs.recovery import unrecorded
from backups.runs.recovery.liveness import is_dead
from backups.runs.recovery.reap_waiting import reap_queued
from backups.runs.registry import find_run, kind_of, kinds, models

Status, Owner = Run.Status, Run.Owner
HOST_LOG_HINT = "Look for the reason in the log of that host, then run it again."


def reap(*, instance: str | None = None) -> list[Run]:
    """End the running runs whose process is gone, and those of `reap_queued`; return them.

    Also removes abandoned workspaces, and records ends that the database did not take before. Before a run of
    `instance` only what could be in its way is ended, which takes no time.
    """
    now = timezone.now()
    reaped = reap_queued(instance=instance)
    for model in models():
        running = Q(status=Status.RUNNING)
        if instance is not None:
            if not model.needs_instance:
                continue
            running &= Q(instance=instance)
        # most often there is none, and its kind need not be imported
        rows = kind_of(model).rows().filter(running) if model.objects.filter(running).exists() else ()
        dead = [run for run in rows if is_dead(run, now)]
        reaped += [run for run in dead if recover(run, f"The process that ran it ({run.worker}) died")]
    for run_id in workspace.abandoned_ids():
        run = find_run(run_id)
        owned = run is not None and (run.status, run.owner) == (Status.QUEUED, Owner.PROCESS)
        # `is_dead` needs the lock file of these
        if owned or (run is not None and run.status == Status.RUNNING):
            continue
        workspace.sweep(run_id)
    for run_id in unrecorded.run_ids():
        run = find_run(run_id)
        if run is not None and run.status == Status.RUNNING:
            continue
        if run is not None:
            unrecorded.record(run)
        unrecorded.remove_end(run_id)
    return reaped


def tidy() -> int:
    """Let each kind look at what ended runs may have left elsewhere, which may take hours; return the results."""
    return sum(kind.tidy() for kind in kinds())


def recover(run: Run, reason: str) -> bool:
    """Let the kind recover the running `run`, whose process is gone; `reason` begins the message.

    False when another process has recovered it or is doing so.
    """
    with kept_log(type(run), run.pk):
        return kind_of(run).recover(run, f"{reason} in stage {run.stage}.")
