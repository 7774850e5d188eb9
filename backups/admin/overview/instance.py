"""The page of one instance: its state, components and schedules, its latest backups, and its configuration drift."""

from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from backups.admin.overview.plots import layers_of, plots_of
from backups.admin.overview.rows import Absences, absences, cadence_of, freshness_in_words
from backups.admin.shared.permissions import DRILL, RESTORE, SEE_SCHEDULES, VIEW, buttons, may, may_run_schedules
from backups.admin.shared.progress import live, with_progress
from backups.admin.shared.views import page
from backups.errors import BackupError, InstanceError, Unresponsive
from backups.instances import Instance, get_instance
from backups.instances.site_paths import shown_components
from backups.models import BackupExecution, BackupSchedule, InstanceState
from backups.runs.queue.queues import queue_of
from backups.service.keys.recovery_kit import recovery_kit as kit
from backups.service.monitoring.drift import drift_of
from backups.service.monitoring.protection import Protection
from backups.service.monitoring.restore_points import restore_points_of
from backups.service.monitoring.series import series_of
from backups.service.monitoring.trends.calendar import calendar_of, recoveries_of
from backups.service.monitoring.verdict import verdicts
from backups.service.schedules.describe import cadence_in_words
from destinations.lib.formats import printable

RECENT = 10
# with all schedules of the instance: name, label, and what they are before
TOGGLES = (("pause", "Pause schedules", True), ("resume", "Resume schedules", False))


def instance(request: HttpRequest, name: str) -> HttpResponse:
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    recent = list(with_progress(BackupExecution.objects.of_instance(name)).select_related("destination")[:RECENT])
    schedules = None
    if any(map(request.user.has_perm, SEE_SCHEDULES)):
        rows = BackupSchedule.objects.filter(instance=name).select_related("destination", "parent").order_by("name")
        schedules = [(row, cadence_in_words(row.type, row.expression, row.time_zone)) for row in rows]
    state = InstanceState.objects.filter(instance=name).first()
    (verdict,) = verdicts([name], backups=BackupExecution.objects.without_manifest())
    good = verdict.facts.good
    try:
        described = _described(get_instance(name), absences(verdict.facts.absent), verdict.facts.protection)
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
        toggles=_toggles([row for row, _ in schedules or []]) if may_run_schedules(request.user) else [],
        good_actions=buttons(good, (RESTORE, DRILL), request.user) if good else [],
        may_run=may(request.user, "run_backup"),
        layers=layers_of(calendar_of(name, timezone.now())),
        plots=plots_of(series_of(name), recoveries_of(name)),
        points=restore_points_of(name),
        verdict=verdict,
        copies=[(fact.place, fact.copy) for fact in verdict.facts.copies],
        drills=verdict.facts.drills,
        may_accept=may(request.user, "accept_reason"),
        may_print_kit=may(request.user, "download_backup"),
        state=state,
        **described,
    )


def recovery_kit(request: HttpRequest, name: str) -> HttpResponse:
    """Return the page to print as an attachment: it brings a style of its own, and is read where this site is not."""
    if not may(request.user, "download_backup"):
        raise PermissionDenied
    try:
        html = kit(name)
    except BackupError as error:
        messages.error(request, error.text)
        return redirect("admin:backups_instance", name)
    headers = {"Content-Disposition": f'attachment; filename="recovery-kit-{name}.html"', "Cache-Control": "no-store"}
    return HttpResponse(html, headers=headers)


def _toggles(schedules: Iterable[BackupSchedule]) -> list[tuple[str, str]]:
    """Return which of pause and resume is possible with one of `schedules`; files that declare some decide of these."""
    states = {row.enabled for row in schedules if not row.managed_by and row.left_at is None}
    return [(name, label) for name, label, enabled in TOGGLES if enabled in states]


def _described(found: Instance, absent: Absences, protection: Protection) -> dict[str, Any]:
    """Return what is shown only of an instance that the instances file describes."""
    # a configuration with errors must not hide the rest of the page
    problem: BackupError | None = None
    parts, drift = [], None
    try:
        parts, drift = shown_components(found), drift_of(found)
    except Unresponsive as error:
        problem = error
    except BackupError as error:
        problem, drift = error, drift_of(found)
    return {
        "instance": found,
        "queue": queue_of(found.name),
        "protection": protection,
        "cadence": cadence_of(protection),
        "freshness": freshness_in_words(protection, timezone.now()),
        "drift": drift,
        "absent": absent,
        # a path may hold bytes that are not UTF-8
        "components": [
            (part, [printable(str(path)) for path in part.sources()], absent.of(part.name)) for part in parts
        ],
        "components_problem": problem,
    }
