"""Starting a backup: "Back up now" and "Back up again"."""

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, QueryDict

from backups.admin.shared.permissions import AGAIN, may
from backups.admin.shared.under_way import warn_waiting
from backups.admin.shared.views import action_view, actor, page, redirect_to
from backups.errors import BackupError
from backups.instances import instance_names, inventory
from backups.models import BackupExecution, Run
from backups.models.querysets import LARGE_COLUMNS
from backups.runs.queue.deduplication import AlreadyWaiting
from backups.service.backup.start import start_backup
from backups.worker.tasks import enqueue
from destinations.models import BackupDestination

# the destinations that the last backup of the instance was made for
AS_BEFORE = "as-before"


class StartForm(forms.Form):
    instance = forms.ChoiceField(choices=lambda: [(name, name) for name in instance_names()])
    destination = forms.ModelChoiceField(
        BackupDestination.objects.enabled(),
        error_messages={"invalid_choice": "This destination is disabled or gone: choose another one."},
    )
    also_to = forms.ModelMultipleChoiceField(
        BackupDestination.objects.enabled(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="The backup is made once and stored at each of them.",
    )
    comment = forms.CharField(
        max_length=500,
        required=False,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text="Why this backup is taken. The list shows it.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        destination = cast("forms.ModelChoiceField[BackupDestination]", self.fields["destination"])
        # without an empty choice the only destination is preselected
        if destination.queryset is not None and destination.queryset.count() <= 1:
            destination.empty_label = None
            del self.fields["also_to"]

    @property
    def destinations(self) -> list[BackupDestination]:
        return [self.cleaned_data["destination"], *self.cleaned_data.get("also_to", ())]


def start(request: HttpRequest) -> HttpResponse:
    """Show the form, or start the backup that it describes."""
    if request.method not in ("GET", "POST"):
        return HttpResponseNotAllowed(["GET", "POST"])
    if not may(request.user, "run_backup"):
        raise PermissionDenied
    initial = {"instance": request.GET.get("instance")}
    form = StartForm(_chosen(request.POST)) if request.method == "POST" else StartForm(initial=initial)
    if form.is_valid():
        try:
            instance, comment = form.cleaned_data["instance"], form.cleaned_data["comment"]
            return redirect_to(_start(request, instance=instance, destinations=form.destinations, comment=comment))
        except BackupError as error:
            form.add_error(None, error.text)
    return page(
        request,
        "backups/backupexecution/start",
        status=400 if form.is_bound else 200,
        title="Back up now",
        opts=BackupExecution._meta,
        form=form,
        problems=inventory().problems,
        possible=bool(instance_names()) and BackupDestination.objects.enabled().exists(),
    )


def _chosen(data: QueryDict) -> QueryDict:
    """Return what was sent, with the destinations of the last backup of the instance where these are asked for.

    Without such a backup, or where one of them is disabled by now, the form asks for the destination.
    """
    if data.get("destination") != AS_BEFORE:
        return data
    chosen = data.copy()
    chosen.pop("destination")
    last = BackupExecution.objects.of_instance(data.get("instance", "")).without_safety().without_manifest()
    backup = last.select_related("destination").prefetch_related("copies__destination").newest_first().first()
    enabled = list(BackupDestination.objects.enabled())
    before = _same_again(backup) if backup else enabled if len(enabled) == 1 else []
    if before and all(destination in enabled for destination in before):
        chosen["destination"] = before[0].pk
        chosen.setlist("also_to", [destination.pk for destination in before[1:]])
    return chosen


@action_view(AGAIN)
def again(request: HttpRequest, backup: BackupExecution) -> HttpResponse:
    return redirect_to(_start(request, instance=backup.instance, destinations=_same_again(backup)))


def start_again(request: HttpRequest, backups: QuerySet[BackupExecution]) -> None:
    """Start one backup for each instance and its destinations among `backups`."""
    rows = backups.order_by("instance", "destination").select_related("destination").defer(*LARGE_COLUMNS)
    wanted = {}
    for backup in rows.prefetch_related("copies__destination"):
        destinations = _same_again(backup)
        wanted[backup.instance, tuple(one.pk for one in destinations)] = destinations
    for (instance, _), destinations in wanted.items():
        try:
            _start(request, instance=instance, destinations=destinations)
        except BackupError as error:
            where = ", ".join(one.name for one in destinations)
            messages.error(request, f"The backup of {instance} to {where} cannot start: {error.text}")


def _same_again(backup: BackupExecution) -> list[BackupDestination]:
    """Return the destinations that `backup` was made for, in order."""
    return [copy.destination for copy in backup.copies.all()] or [backup.destination]


def _start(request: HttpRequest, *, instance: str, destinations: list[BackupDestination], comment: str = "") -> Run:
    try:
        backup = start_backup(instance, destinations, by=actor(request), comment=comment)
    except AlreadyWaiting as waiting:
        return warn_waiting(request, waiting)
    enqueue(backup)
    where = ", ".join(one.name for one in destinations)
    messages.success(request, f"The backup of {instance} to {where} is queued.")
    return backup
