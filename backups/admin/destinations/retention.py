"""What retention keeps at a destination and what it would delete; pruning, and confirming a rule."""

import hashlib
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from backups.admin.destinations.views import destination_view
from backups.admin.shared import formats
from backups.admin.shared.confirm import ConfirmForm
from backups.admin.shared.permissions import may
from backups.admin.shared.views import actor, page
from backups.service.retention.archived import Planned
from backups.service.retention.plan import size_of
from backups.service.retention.prune import Pruned, preview_prune
from backups.service.retention.prune import prune as prune_now
from backups.service.retention.rule_change import confirm_rule as confirm
from destinations.lib.formats import counted, human_size
from destinations.models import BackupDestination

ROWS = 200
# a page has to answer; what is left is deleted after the next backup, or by prunebackups
TIME_LIMIT = timedelta(seconds=60)
CHANGED = "What would be deleted has changed since this page was shown."


class ConfirmRuleForm(ConfirmForm):
    """Asks for the name of the destination whose rule is confirmed."""

    noun = "destination"
    refused = "Nothing was confirmed."

    def __init__(self, destination: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(destination, *args, label=f"Type {destination} to confirm the rule", **kwargs)
        # a focus at the end of the page would scroll the list of backups out of sight
        del self.fields["confirm"].widget.attrs["autofocus"]


@destination_view(methods=("GET",))
def retention(request: HttpRequest, destination: BackupDestination) -> HttpResponse:
    return _preview(request, preview_prune(destination))


@destination_view("backups.delete_backup", methods=("POST",))
def prune(request: HttpRequest, destination: BackupDestination) -> HttpResponse:
    """Delete what was shown; where other backups would be deleted by now, show the page again instead."""
    foreseen = preview_prune(destination)
    if request.POST.get("shown") != fingerprint(foreseen.plan.to_delete):
        messages.error(request, f"{CHANGED} Nothing was deleted: check again.")
        return _preview(request, foreseen, status=409)
    pruned = prune_now(destination, by=actor(request), until=timezone.now() + TIME_LIMIT)
    count = len(pruned.deleted)
    noun = f"{counted(count, 'backup')} {'was' if count == 1 else 'were'}"
    messages.success(request, f"{noun} deleted, {human_size(pruned.reclaimed_bytes)} are free again.")
    # one destination that does not answer may be the reason for hundreds
    for reason in dict.fromkeys(reason for _, reason in pruned.spared):
        messages.warning(request, f"Spared: {formats.sentence(reason)}")
    for warning in pruned.warnings:
        messages.warning(request, f"Warning: {formats.sentence(warning)}")
    if pruned.waiting:
        messages.warning(request, f"{len(pruned.waiting)} more are left to delete: prune again, or run prunebackups.")
    if pruned.problem:
        messages.error(request, f"Not deleted: {formats.sentence(pruned.problem)}")
    return redirect("admin:destinations_backupdestination_retention", destination.pk)


@destination_view("backups.delete_backup", methods=("POST",))
def confirm_rule(request: HttpRequest, destination: BackupDestination) -> HttpResponse:
    """Confirm the rule for what was shown; where other backups would be deleted by now, show the page again instead."""
    foreseen = preview_prune(destination)
    form = ConfirmRuleForm(destination.name, request.POST)
    if request.POST.get("shown") != fingerprint(foreseen.plan.waiting):
        messages.error(request, f"{CHANGED} Nothing was confirmed: check again.")
        return _preview(request, foreseen, status=409)
    if not form.is_valid():
        return _preview(request, foreseen, form=form, status=400)
    rule = confirm(destination, by=actor(request))
    messages.success(request, f"The rule is confirmed: {rule}. It is applied after the next backup, or now.")
    return redirect("admin:destinations_backupdestination_retention", destination.pk)


def _preview(
    request: HttpRequest, foreseen: Pruned, *, form: ConfirmRuleForm | None = None, status: int = 200
) -> HttpResponse:
    plan = foreseen.plan
    only_goes = request.GET.get("goes") == "1"
    entries = Paginator(plan.to_delete if only_goes else plan.entries, ROWS)
    return page(
        request,
        "backups/destination/retention",
        status=status,
        title=f"Retention at {plan.destination.name}",
        destination=plan.destination,
        plan=plan,
        warnings=foreseen.warnings,
        entries=entries.get_page(request.GET.get("page")),
        only_goes=only_goes,
        shown=fingerprint(plan.to_delete),
        waiting=plan.waiting[:ROWS],
        waiting_shown=fingerprint(plan.waiting),
        waiting_bytes=size_of(plan.waiting),
        form=form or ConfirmRuleForm(plan.destination.name),
        may_prune=may(request.user, "delete_backup"),
    )


def fingerprint(entries: Iterable[Planned]) -> str:
    """Return what a form sends back, to find out whether it showed the same backups."""
    return hashlib.sha256("\n".join(sorted(entry.execution.pk for entry in entries)).encode()).hexdigest()
