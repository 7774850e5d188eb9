"""Starting a backup: "Back up now" and "Back up again"."""

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.admin.sites import site
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse

from backups.admin.shared.permissions import AGAIN, may
from backups.admin.shared.under_way import say_waiting
from backups.admin.shared.views import action_view, actor, to_page
from backups.errors import BackupError
from backups.instances import instance_names, inventory
from backups.models import BackupExecution, Run
from backups.runs.queue.once import AlreadyWaiting
from backups.service.backup.start import start_backup
from backups.worker.tasks import enqueue
from destinations.models import BackupDestination


def _instance_choices() -> list[tuple[str, str]]:
    return [(name, name) for name in instance_names()]


class StartForm(forms.Form):
    instance = forms.ChoiceField(choices=_instance_choices)
    destination = forms.ModelChoiceField(
        BackupDestination.objects.enabled(),
        error_messages={"invalid_choice": "This destination is disabled or gone: choose another one."},
    )
    comment = forms.CharField(
        max_length=500,
        required=False,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text="Why this backup is taken; it is shown beside it.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        destination = cast("forms.ModelChoiceField[BackupDestination]", self.fields["destination"])
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
            return to_page(_start(request, **form.cleaned_data))
        except BackupError as error:
            form.add_error(None, error.text)
    context = site.each_context(request) | {
        "title": "Back up now",
        "opts": BackupExecution._meta,
        "form": form,
        "problems": inventory().problems,
        "possible": bool(_instance_choices()) and BackupDestination.objects.enabled().exists(),
    }
    page = "admin/backups/backupexecution/start.html"
    return TemplateResponse(request, page, context, status=400 if form.is_bound else 200)


@action_view(AGAIN)
def again(request: HttpRequest, execution: BackupExecution) -> HttpResponse:
    return to_page(_start(request, instance=execution.instance, destination=execution.destination))


def start_again(request: HttpRequest, executions: QuerySet[BackupExecution]) -> None:
    """Start one backup for each instance and destination among `executions`."""
    pairs = sorted(set(executions.order_by().values_list("instance", "destination").distinct()))
    destinations = BackupDestination.objects.in_bulk([pk for _, pk in pairs])
    for instance, pk in pairs:
        try:
            _start(request, instance=instance, destination=destinations[pk])
        except BackupError as error:
            where = destinations[pk].name
            messages.error(request, f"The backup of {instance} to {where} cannot start: {error.text}")


def _start(request: HttpRequest, *, instance: str, destination: BackupDestination, comment: str = "") -> Run:
    try:
        execution = start_backup(instance, destination, by=actor(request), comment=comment)
    except AlreadyWaiting as waiting:
        return say_waiting(request, waiting)
    enqueue(execution)
    messages.success(request, f"The backup of {instance} to {destination.name} is queued.")
    return execution
