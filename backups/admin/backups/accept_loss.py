"""Accepting that a missing archive is lost, after a page that says what else can be done."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from backups.admin.shared.confirm import ConfirmForm, confirm_page
from backups.admin.shared.permissions import ACCEPT_LOSS
from backups.admin.shared.views import action_view, actor, redirect_to
from backups.errors import BackupError
from backups.models import BackupExecution
from backups.service.archives.records.loss import accept_loss as accept


class AcceptLossForm(ConfirmForm):
    refused = "Nothing was changed."
    reason = forms.CharField(max_length=200, help_text="Kept in the history of this backup.")

    def __init__(self, instance: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(instance, *args, label=f"Type {instance} to accept the loss", **kwargs)


@action_view(ACCEPT_LOSS)
def accept_loss(request: HttpRequest, backup: BackupExecution) -> HttpResponse:
    if not backup.is_missing:
        raise BackupError("The archive is not missing any more.")
    form = AcceptLossForm(backup.instance, request.POST if request.method == "POST" else None)
    if form.is_valid():
        accept(backup, by=actor(request), reason=form.cleaned_data["reason"])
        messages.success(request, f"The loss of {backup.backup_filename} is accepted.")
        return redirect_to(backup)
    return confirm_page(
        request,
        ACCEPT_LOSS,
        backup,
        "backups/backupexecution/accept_loss",
        form,
        title=f"Accept the loss of an archive of {backup.instance}?",
        others=BackupExecution.objects.of_instance(backup.instance).good().count(),
    )
