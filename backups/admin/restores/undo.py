"""Undoing a restore, after a page that says what comes back."""

from functools import partial

from django.contrib.admin.sites import site
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from backups.admin.restores.preview import preview_context
from backups.admin.shared.confirm import RestoreConfirmForm
from backups.admin.shared.permissions import UNDO
from backups.admin.shared.under_way import queued
from backups.admin.shared.views import action_view, actor
from backups.errors import BackupError
from backups.models import RestoreExecution
from backups.service.restore.preview.build import preview
from backups.service.restore.start import start_undo


@action_view(UNDO)
def undo(request: HttpRequest, restore: RestoreExecution) -> HttpResponse:
    safety = restore.safety_backup
    if safety is None or not UNDO.applies(restore):
        raise BackupError("there is nothing to undo, or not any more", hint="this page says how the restore ended")
    shown = preview(safety, restore.instance, undo_of=restore)
    data = [request.POST] if request.method == "POST" else []
    label = f"Type {restore.instance} to undo its restore"
    form = RestoreConfirmForm(shown, *data, label=label)
    if form.is_valid():
        start = partial(start_undo, restore, by=actor(request), changes_seen=form.cleaned_data["changes_seen"])
        return queued(request, restore.instance, start, f"The undo of the restore of {restore.instance} is queued.")
    context = site.each_context(request) | {
        "title": f"Undo the restore of {restore.instance}?",
        "opts": RestoreExecution._meta,
        "restore": restore,
        "form": form,
        **preview_context(shown, safety),
        "entries_url": reverse("admin:backups_restoreexecution_undo_entries", args=[restore.pk]),
    }
    page = "admin/backups/restoreexecution/undo.html"
    return TemplateResponse(request, page, context, status=400 if form.is_bound else 200)
