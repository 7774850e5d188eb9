"""What retention keeps at a destination and what it would delete, and the button that lets it."""

import hashlib
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from backups.admin.shared import formats
from backups.admin.shared.confirm import ConfirmForm
from backups.admin.shared.destination_views import destination_view, page
from backups.admin.shared.permissions import may
from backups.admin.shared.views import actor
from backups.service.retention.plan import Planned, size_of
from backups.service.retention.prune import Pruned, foresee
from backups.service.retention.prune import prune as prune_now
from backups.service.retention.rule_change import confirm_rule as confirm
from destinations.lib.formats import counted, human_size
from destinations.models import BackupDestination

ROWS = 200
# a page has to answer; what is left goes with the next backup, or with prunebackups
PATIENCE = timedelta(seconds=60)


class ConfirmRuleForm(ConfirmForm):
    """The name of the destination is typed, as that of an instance is where an archive is deleted."""

    noun = "destination"
    untouched = "Nothing was confirmed."

    def __init__(self, destination: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(destination, *args, label=f"Type {destination} to confirm the rule", **kwargs)
        del self.fields["confirm"].widget.attrs["autofocus"]


@destination_view(methods=("GET",))
def retention(request: HttpRequest, destination: BackupDestination) -> HttpResponse:
    return _preview(request, foresee(destination))


@destination_view("backups.delete_backup", methods=("POST",))
def prune(request: HttpRequest, destination: BackupDestination) -> HttpResponse:
    """Delete what was shown: when other backups would go by now, the page is shown again instead."""
    foreseen = foresee(destination)
    if request.POST.get("shown") != fingerprint(foreseen.plan.goes):
        messages.error(request, "What would go has changed since this page was shown. Nothing was deleted: look again.")
        return _preview(request, foreseen, status=409)
    pruned = prune_now(destination, by=actor(request), until=timezone.now() + PATIENCE)
    _tell(request, pruned)
    return redirect("admin:backups_backupexecution_retention", destination.pk)


@destination_view("backups.delete_backup", methods=("POST",))
def confirm_rule(request: HttpRequest, destination: BackupDestination) -> HttpResponse:
    """Confirm the rule for what was shown: when more would go by now, the page is shown again instead."""
    foreseen = foresee(destination)
    form = ConfirmRuleForm(destination.name, request.POST)
    if request.POST.get("shown") != fingerprint(foreseen.plan.waiting):
        messages.error(
            request, "What would go has changed since this page was shown. Nothing was confirmed: look again."
        )
        return _preview(request, foreseen, status=409)
    if not form.is_valid():
        return _preview(request, foreseen, form=form, status=400)
    rule = confirm(destination, by=actor(request))
    messages.success(request, f"The rule is confirmed: {rule}. It is applied after the next backup, or now.")
    return redirect("admin:backups_backupexecution_retention", destination.pk)


def _preview(
    request: HttpRequest, foreseen: Pruned, *, form: ConfirmRuleForm | None = None, status: int = 200
) -> HttpResponse:
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
        shown=fingerprint(plan.goes),
        waiting=plan.waiting[:ROWS],
        waiting_shown=fingerprint(plan.waiting),
        waiting_bytes=size_of(plan.waiting),
        form=form or ConfirmRuleForm(plan.destination.name),
        may_prune=may(request.user, "delete_backup"),
    )


def fingerprint(entries: Iterable[Planned]) -> str:
    """Return what a form sends back, so that it is known which backups it showed."""
    return hashlib.sha256("\n".join(sorted(entry.execution.pk for entry in entries)).encode()).hexdigest()


def _tell(request: HttpRequest, pruned: Pruned) -> None:
    count = len(pruned.deleted)
    noun = f"{counted(count, 'backup')} {'was' if count == 1 else 'were'}"
    messages.success(request, f"{noun} deleted, {human_size(pruned.reclaimed_bytes)} are free again.")
    for _, reason in pruned.spared:
        messages.warning(request, f"Spared: {formats.sentence(reason)}")
    for warning in pruned.warnings:
        messages.warning(request, f"Look at this: {formats.sentence(warning)}")
    if pruned.waiting:
        messages.warning(request, f"{len(pruned.waiting)} more are to go: prune again, or run prunebackups.")
    if pruned.problem:
        messages.error(request, f"Not deleted: {formats.sentence(pruned.problem)}")
