"""Copying a backup to one more destination, or to one whose copy is missing or damaged."""

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from backups.admin.shared.confirm import confirm_page
from backups.admin.shared.permissions import COPY
from backups.admin.shared.under_way import warn_waiting
from backups.admin.shared.views import action_view, actor, redirect_to
from backups.errors import BackupError
from backups.models import BackupExecution
from backups.runs.queue.deduplication import AlreadyWaiting
from backups.service.archives.records.copies import copies_of
from backups.service.copying.start import start_copy
from backups.worker.tasks import enqueue
from destinations.models import BackupDestination


class CopyForm(forms.Form):
    to = forms.ModelChoiceField(
        BackupDestination.objects.none(),
        label="To",
        error_messages={"invalid_choice": "This destination is disabled, or has a sound copy: choose another one."},
    )

    def __init__(self, backup: BackupExecution, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        copies = copies_of(backup)
        sound = [copy.destination_id for copy in copies if copy.is_sound]
        field = cast("forms.ModelChoiceField[BackupDestination]", self.fields["to"])
        field.queryset = BackupDestination.objects.enabled().exclude(pk__in=sound)
        # what is missing is what is wanted most
        lacking = [copy for copy in copies if not copy.is_sound and not copy.deleted_at and copy.destination.enabled]
        if lacking:
            self.initial.setdefault("to", lacking[0].destination_id)


@action_view(COPY)
def copy(request: HttpRequest, backup: BackupExecution) -> HttpResponse:
    form = CopyForm(backup, request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            run = start_copy(backup, form.cleaned_data["to"], by=actor(request))
        except AlreadyWaiting as waiting:
            return redirect_to(warn_waiting(request, waiting))
        except BackupError as error:
            form.add_error("to", error.text)
        else:
            enqueue(run)
            messages.success(request, f"The copy of {backup} to {form.cleaned_data['to']} is queued.")
            return redirect_to(run)
    title = f"Copy the backup of {backup.instance}"
    return confirm_page(
        request, COPY, backup, "backups/backupexecution/copy", form, title=title, copies=copies_of(backup)
    )
