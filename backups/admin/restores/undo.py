"""Undoing a restore, after a page that says what would change."""

from functools import partial

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from backups.admin.restores.preview import preview_context
from backups.admin.shared.confirm import RestoreConfirmForm, confirm_page
from backups.admin.shared.permissions import UNDO
from backups.admin.shared.under_way import start_and_enqueue
from backups.admin.shared.views import action_view, actor
from backups.errors import BackupError
from backups.models import RestoreExecution
from backups.service.restore.preview.build import preview
from backups.service.restore.start import start_undo

NOTHING_TO_UNDO = "There is nothing to undo, or not any more."


@action_view(UNDO)
def undo(request: HttpRequest, restore: RestoreExecution) -> HttpResponse:
    safety = restore.safety_backup
    # checked on GET and POST: another undo may have completed since the page was shown
    if safety is None or not UNDO.applies(restore):
        raise BackupError(NOTHING_TO_UNDO, hint="This page says how the restore ended.")
    shown = preview(safety, restore.instance, undo_of=restore)
    data = [request.POST] if request.method == "POST" else []
    label = f"Type {restore.instance} to undo its restore"
    form = RestoreConfirmForm(shown, *data, label=label)
    if form.is_valid():
        start = partial(start_undo, restore, by=actor(request), changes_seen=form.cleaned_data["changes_seen"])
        done = f"The undo of the restore of {restore.instance} is queued."
        return start_and_enqueue(request, restore.instance, start, done)
    return confirm_page(
        request,
        UNDO,
        restore,
        "backups/restoreexecution/undo",
        form,
        title=f"Undo the restore of {restore.instance}?",
        entries_url=reverse("admin:backups_restoreexecution_undo_entries", args=[restore.pk]),
        **preview_context(shown, safety),
    )
