"""What runs now: that of the listed instances by instance, and what runs of others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from backups.admin.shared.progress import live, with_progress
from backups.models import BackupExecution, CopyExecution, DrillExecution, RestoreExecution, Run

# of instances that the page does not list
MOST = 5
_MODELS: tuple[type[Run], ...] = (BackupExecution, DrillExecution, CopyExecution, RestoreExecution)
# built once: their conditions are always the same
_ACTIVE: dict[type[Run], QuerySet[Any]] = {model: with_progress(model.objects.active()).order_by() for model in _MODELS}


@dataclass(frozen=True, slots=True)
class Other:
    """A run that no row of the page shows, with its address in the site."""

    instance: str
    url_name: str
    live: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Now:
    """`running` and `waiting` count the runs of the whole site that the user may see."""

    running: int
    waiting: int
    backups: dict[str, dict[str, Any]]
    restores: dict[str, dict[str, Any]]
    drills: dict[str, dict[str, Any]]
    others: list[Other]


def now_running(shown: Sequence[str], *, see_restores: bool) -> Now:
    """Return what runs, in one query for each kind of run."""
    by_model: dict[type[Run], list[Run]] = {
        # sorted here: asked for an order, SQLite reads the whole history along that
        model: sorted(runs.all(), key=lambda run: run.created_at, reverse=True)
        for model, runs in _ACTIVE.items()
        if see_restores or model is not RestoreExecution
    }
    active = [run for runs in by_model.values() for run in runs]
    running = [run for run in active if run.status == Run.Status.RUNNING]
    others = [run for run in running if run.instance not in shown or isinstance(run, CopyExecution)]
    return Now(
        running=len(running),
        waiting=len(active) - len(running),
        backups=_by_instance(by_model[BackupExecution], shown),
        restores=_by_instance(by_model.get(RestoreExecution, []), shown),
        drills=_by_instance(by_model[DrillExecution], shown),
        others=[
            Other(run.instance, f"admin:backups_{run._meta.model_name}_change", live(run)) for run in others[:MOST]
        ],
    )


def _by_instance(runs: Sequence[Run], shown: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return by instance the run that is running, or else the one that waits longest."""
    # "running" sorts after "queued", so it overwrites that in the dictionary
    ordered = sorted((run for run in runs if run.instance in shown), key=lambda run: run.status)
    return {run.instance: live(run) for run in ordered}
