"""Pinning a backup, with the reason why, and taking the pin away."""

from django import forms
from django.contrib import messages
from django.contrib.admin.sites import site
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from backups.admin.shared.permissions import PIN, UNPIN
from backups.admin.shared.views import action_view, actor, to_page
from backups.models import BackupExecution
from backups.service.archives.pin import LONGEST_REASON, pin_backup, unpin_backup


class PinForm(forms.Form):
    reason = forms.CharField(
        max_length=LONGEST_REASON,
        widget=forms.TextInput(attrs={"autofocus": True}),
        help_text="Why it must never go. Everybody who looks at this backup sees it.",
    )


@action_view(PIN)
def pin(request: HttpRequest, execution: BackupExecution) -> HttpResponse:
    form = PinForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        pin_backup(execution, by=actor(request), reason=form.cleaned_data["reason"])
        messages.success(request, f"The backup {execution} is pinned: it is never deleted.")
        return to_page(execution)
    context = site.each_context(request) | {
        "title": f"Pin the backup of {execution.instance}",
        "opts": BackupExecution._meta,
        "execution": execution,
        "form": form,
    }
    page = "admin/backups/backupexecution/pin.html"
    return TemplateResponse(request, page, context, status=400 if form.is_bound else 200)


@action_view(UNPIN)
def unpin(request: HttpRequest, execution: BackupExecution) -> HttpResponse:
    unpin_backup(execution, by=actor(request))
    messages.success(request, f"The backup {execution} is no longer pinned: the retention rule decides about it.")
    return to_page(execution)
