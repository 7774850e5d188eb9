"""The page of one instance: its state, components and schedules, its latest backups, and its configuration drift."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone

from backups.admin.overview.front import cadence_of, freshness_in_words, label_of
from backups.admin.shared.permissions import SEE_SCHEDULES, VIEW
from backups.admin.shared.progress import live, with_progress
from backups.admin.shared.views import page
from backups.errors import BackupError, InstanceError
from backups.instances import Instance, get_instance
from backups.instances.site_paths import live_components
from backups.models import BackupExecution, BackupSchedule, InstanceState
from backups.runs.queue.queues import queue_of
from backups.service.monitoring.drift import drift_of
from backups.service.monitoring.drills import drill_states
from backups.service.monitoring.protection import protections
from backups.service.schedules.describe import cadence_in_words

RECENT = 10


def instance(request: HttpRequest, name: str) -> HttpResponse:
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    recent = list(with_progress(BackupExecution.objects.of_instance(name)).select_related("destination")[:RECENT])
    schedules = None
    if any(map(request.user.has_perm, SEE_SCHEDULES)):
        rows = BackupSchedule.objects.filter(instance=name).select_related("destination")
        schedules = [(row, cadence_in_words(row.type, row.expression, row.time_zone)) for row in rows]
    try:
        described = _described(get_instance(name))
    except InstanceError as error:
        # one that is gone from the file keeps the page of its history
        if not recent and not BackupSchedule.objects.filter(instance=name).exists():
            raise Http404 from error
        described = {"problem": error}
    return page(
        request,
        "backups/overview/instance",
        title=f"Instance {name}",
        opts=BackupExecution._meta,
        name=name,
        recent=[(backup, live(backup)) for backup in recent],
        schedules=schedules,
        state=InstanceState.objects.filter(instance=name).first(),
        **described,
    )


def _described(found: Instance) -> dict[str, Any]:
    """Return what is shown only of an instance that the instances file describes."""
    (protection,) = protections(names=[found.name])
    drills = drill_states([found.name])[found.name]
    # a configuration with errors must not hide the rest of the page
    problem, parts = None, []
    try:
        parts = live_components(found)
    except BackupError as error:
        problem = error
    return {
        "instance": found,
        "queue": queue_of(found.name),
        "protection": protection,
        "label": label_of(protection, drills),
        "drills": drills,
        "cadence": cadence_of(protection),
        "freshness": freshness_in_words(protection, timezone.now()),
        "drift": drift_of(found),
        "components": [(part, part.sources()) for part in parts],
        "components_problem": problem,
    }
