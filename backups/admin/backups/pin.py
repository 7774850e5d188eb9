"""Pinning a backup, with a reason, and unpinning it."""

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from backups.admin.shared.confirm import confirm_page
from backups.admin.shared.permissions import PIN, UNPIN
from backups.admin.shared.views import action_view, actor, redirect_to
from backups.models import BackupExecution
from backups.service.archives.records.pin import LONGEST_REASON, pin_backup, unpin_backup


class PinForm(forms.Form):
    reason = forms.CharField(
        max_length=LONGEST_REASON,
        widget=forms.TextInput(attrs={"autofocus": True}),
        help_text="Why it must never be deleted. The page of this backup shows it.",
    )


@action_view(PIN)
def pin(request: HttpRequest, backup: BackupExecution) -> HttpResponse:
    form = PinForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        pin_backup(backup, by=actor(request), reason=form.cleaned_data["reason"])
        messages.success(request, f"The backup {backup} is pinned: it is never deleted.")
        return redirect_to(backup)
    title = f"Pin the backup of {backup.instance}"
    return confirm_page(request, PIN, backup, "backups/backupexecution/pin", form, title=title)


@action_view(UNPIN)
def unpin(request: HttpRequest, backup: BackupExecution) -> HttpResponse:
    unpin_backup(backup, by=actor(request))
    messages.success(request, f"The backup {backup} is no longer pinned: the retention rule decides about it.")
    return redirect_to(backup)
