"""The page of one instance: how safe it is, what belongs to it, its schedules, its latest backups, its drift."""

from pathlib import Path
from typing import Any

from django.contrib.admin.sites import site
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from backups.admin.overview.front import label_of, promise_in_words
from backups.admin.shared.permissions import SEE_SCHEDULES, VIEW
from backups.admin.shared.progress import live, with_progress
from backups.errors import BackupError, InstanceError
from backups.instances import Instance, get_instance
from backups.instances.site_paths import live_components
from backups.models import BackupExecution, BackupSchedule, InstanceState
from backups.runs.queue.queues import queue_of
from backups.service.monitoring.drift import drift_of
from backups.service.monitoring.drills import drill_states
from backups.service.monitoring.protection import protections
from backups.service.schedules.describe import in_words

RECENT = 10


def instance(request: HttpRequest, instance: str) -> HttpResponse:
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    recent = list(with_progress(BackupExecution.objects.of_instance(instance)).select_related("destination")[:RECENT])
    context = site.each_context(request) | {
        "title": f"Instance {instance}",
        "name": instance,
        "recent": [(execution, live(execution)) for execution in recent],
        "schedules": _schedules(instance) if any(map(request.user.has_perm, SEE_SCHEDULES)) else None,
        "state": InstanceState.objects.filter(instance=instance).first(),
    }
    try:
        context |= _described(get_instance(instance))
    except InstanceError as error:
        if not recent:
            raise Http404 from error
        context["problem"] = error
    return TemplateResponse(request, "admin/backups/instance.html", context)


def _described(found: Instance) -> dict[str, Any]:
    (protection,) = protections(names=[found.name])
    drills = drill_states([found.name])[found.name]
    return {
        "instance": found,
        "queue": queue_of(found.name),
        "protection": protection,
        "label": label_of(protection, drills),
        "drills": drills,
        "promise": promise_in_words(protection.outlook.promise),
        "drift": drift_of(found),
        **_components(found),
    }


def _components(found: Instance) -> dict[str, Any]:
    try:
        parts = live_components(found)
    except BackupError as error:
        return {"components": [], "components_problem": error}
    return {"components": [(part, [_within(found, path) for path in part.sources()]) for part in parts]}


def _within(found: Instance, path: Path) -> Path:
    return path.relative_to(found.root) if path.is_relative_to(found.root) else path


def _schedules(name: str) -> list[tuple[BackupSchedule, str]]:
    rows = BackupSchedule.objects.filter(instance=name).select_related("destination")
    return [(row, in_words(row.type, row.expression, row.time_zone)) for row in rows]
