"""Starting a backup: "Back up now" and "Back up again"."""

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

from backups.admin.shared.permissions import AGAIN, may
from backups.admin.shared.under_way import warn_waiting
from backups.admin.shared.views import action_view, actor, page, redirect_to
from backups.errors import BackupError
from backups.instances import instance_names, inventory
from backups.models import BackupExecution, Run
from backups.runs.queue.deduplication import AlreadyWaiting
from backups.service.backup.start import start_backup
from backups.worker.tasks import enqueue
from destinations.models import BackupDestination


class StartForm(forms.Form):
    instance = forms.ChoiceField(choices=lambda: [(name, name) for name in instance_names()])
    destination = forms.ModelChoiceField(
        BackupDestination.objects.enabled(),
        error_messages={"invalid_choice": "This destination is disabled or gone: choose another one."},
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
        if destination.queryset is not None and destination.queryset.count() == 1:
            destination.empty_label = None


def start(request: HttpRequest) -> HttpResponse:
    """Show the form, or start the backup that it describes."""
    if request.method not in ("GET", "POST"):
        return HttpResponseNotAllowed(["GET", "POST"])
    if not may(request.user, "run_backup"):
        raise PermissionDenied
    initial = {"instance": request.GET.get("instance")}
    form = StartForm(request.POST) if request.method == "POST" else StartForm(initial=initial)
    if form.is_valid():
        try:
            return redirect_to(_start(request, **form.cleaned_data))
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


@action_view(AGAIN)
def again(request: HttpRequest, backup: BackupExecution) -> HttpResponse:
    return redirect_to(_start(request, instance=backup.instance, destination=backup.destination))


def start_again(request: HttpRequest, backups: QuerySet[BackupExecution]) -> None:
    """Start one backup for each instance and destination among `backups`."""
    pairs = sorted(set(backups.order_by().values_list("instance", "destination").distinct()))
    destinations = BackupDestination.objects.in_bulk([pk for _, pk in pairs])
    for instance, pk in pairs:
        try:
            _start(request, instance=instance, destination=destinations[pk])
        except BackupError as error:
            where = destinations[pk].name
            messages.error(request, f"The backup of {instance} to {where} cannot start: {error.text}")


def _start(request: HttpRequest, *, instance: str, destination: BackupDestination, comment: str = "") -> Run:
    try:
        backup = start_backup(instance, destination, by=actor(request), comment=comment)
    except AlreadyWaiting as waiting:
        return warn_waiting(request, waiting)
    enqueue(backup)
    messages.success(request, f"The backup of {instance} to {destination.name} is queued.")
    return backup
