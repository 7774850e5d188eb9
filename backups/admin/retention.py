"""What retention keeps at a destination and what it would delete, and the button that lets it."""

import hashlib
from datetime import timedelta

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from backups.admin import formats
from backups.admin.actions import may
from backups.admin.guard import actor
from backups.admin.places import destination_view, page
from backups.service.plan import Plan
from backups.service.prune import Pruned, foresee
from backups.service.prune import prune as prune_now
from destinations.models import BackupDestination

ROWS = 200
# a page has to answer; what is left goes with the next backup, or with prunebackups
PATIENCE = timedelta(seconds=60)


@destination_view(methods=("GET",))
def retention(request: HttpRequest, destination: BackupDestination) -> HttpResponse:
    return _preview(request, foresee(destination))


@destination_view("backups.delete_backup", methods=("POST",))
def prune(request: HttpRequest, destination: BackupDestination) -> HttpResponse:
    """Delete what was shown: when other backups would go by now, the page is shown again instead."""
    foreseen = foresee(destination)
    if request.POST.get("shown") != _fingerprint(foreseen.plan):
        messages.error(request, "What would go has changed since this page was shown. Nothing was deleted: look again.")
        return _preview(request, foreseen, status=409)
    pruned = prune_now(destination, by=actor(request), until=timezone.now() + PATIENCE)
    _tell(request, pruned)
    return redirect("admin:backups_backupexecution_retention", destination.pk)


def _preview(request: HttpRequest, foreseen: Pruned, *, status: int = 200) -> HttpResponse:
    plan = foreseen.plan
    only_goes = request.GET.get("goes") == "1"
    entries = Paginator(plan.goes if only_goes else plan.entries, ROWS)
    return page(
        request,
        "retention",
        status=status,
        title=f"Retention at {plan.destination.name}",
        plan=plan,
        warnings=foreseen.warnings,
        entries=entries.get_page(request.GET.get("page")),
        only_goes=only_goes,
        shown=_fingerprint(plan),
        may_prune=may(request.user, "delete_backup"),
    )


def _fingerprint(plan: Plan) -> str:
    return hashlib.sha256("\n".join(sorted(entry.execution.pk for entry in plan.goes)).encode()).hexdigest()


def _tell(request: HttpRequest, pruned: Pruned) -> None:
    count = len(pruned.deleted)
    noun = "1 backup was" if count == 1 else f"{count} backups were"
    messages.success(request, f"{noun} deleted, {formats.size(pruned.reclaimed_bytes)} are free again.")
    for _, reason in pruned.spared:
        messages.warning(request, f"Spared: {formats.sentence(reason)}")
    for warning in pruned.warnings:
        messages.warning(request, f"Look at this: {formats.sentence(warning)}")
    if pruned.waiting:
        messages.warning(request, f"{len(pruned.waiting)} more are to go: prune again, or run prunebackups.")
    if pruned.problem:
        messages.error(request, f"Not deleted: {formats.sentence(pruned.problem)}")
