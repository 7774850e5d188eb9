"""Deleting the archive of a backup, after a page that says what is lost."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from backups.admin.shared.confirm import ConfirmForm, confirm_page
from backups.admin.shared.permissions import DELETE
from backups.admin.shared.views import action_view, actor, redirect_to
from backups.errors import BackupError
from backups.models import BackupExecution
from backups.service.archives.records.copies import copies_of
from backups.service.archives.records.delete import delete_backup
from backups.service.drops.episodes import is_before, open_episodes
from destinations.lib.operator_error import sentences

# so many of the archives that stay are named
OTHERS = 20


class DeleteForm(ConfirmForm):
    refused = "Nothing was deleted."
    reason = forms.CharField(max_length=200, required=False, help_text="Kept in the history of this backup.")

    def __init__(self, instance: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(instance, *args, label=f"Type {instance} to delete its archive", **kwargs)


@action_view(DELETE)
def delete_archive(request: HttpRequest, backup: BackupExecution) -> HttpResponse:
    if not backup.has_archive:
        raise BackupError("There is no archive to delete any more.")
    # what is sent all the same is refused by the deletion itself, which records that
    if backup.pinned and request.method == "GET":
        raise BackupError(sentences(f"{backup} is pinned: {backup.pin_reason}"), hint="Unpin it first.")
    form = DeleteForm(backup.instance, request.POST if request.method == "POST" else None)
    if form.is_valid():
        delete_backup(backup, by=actor(request), reason=form.cleaned_data["reason"] or "no reason given")
        messages.success(request, f"The archive {backup.backup_filename} was deleted.")
        return redirect_to(backup)
    episode = open_episodes([backup.instance]).get(backup.instance)
    others = BackupExecution.objects.of_instance(backup.instance).good().exclude(pk=backup.pk)
    return confirm_page(
        request,
        DELETE,
        backup,
        "backups/backupexecution/delete_archive",
        form,
        title=f"Delete the archive of {backup.instance}?",
        copies=[copy for copy in copies_of(backup) if copy.is_stored],
        before_drop=episode.described if episode is not None and is_before(backup, episode) else "",
        others=list(others.without_manifest().select_related("destination")[:OTHERS]),
        others_count=others.count(),
    )
