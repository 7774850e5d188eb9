"""Deleting the archive of an execution, after a page that says what is lost."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.sites import site
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from backups.admin.shared.confirm import ConfirmForm
from backups.admin.shared.permissions import DELETE
from backups.admin.shared.views import action_view, actor, to_page
from backups.errors import BackupError
from backups.models import BackupExecution
from backups.service.archives.delete import delete_backup
from backups.service.drops.episodes import is_before, open_episodes


class DeleteForm(ConfirmForm):
    untouched = "Nothing was deleted."
    reason = forms.CharField(max_length=200, required=False, help_text="Kept in the history of this backup.")

    def __init__(self, instance: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(instance, *args, label=f"Type {instance} to delete its archive", **kwargs)


@action_view(DELETE)
def delete_archive(request: HttpRequest, execution: BackupExecution) -> HttpResponse:
    if not execution.has_archive:
        raise BackupError("there is no archive to delete any more")
    form = DeleteForm(execution.instance, request.POST if request.method == "POST" else None)
    if form.is_valid():
        delete_backup(execution, by=actor(request), reason=form.cleaned_data["reason"] or "no reason given")
        messages.success(request, f"The archive {execution.backup_filename} was deleted.")
        return to_page(execution)
    context = site.each_context(request) | {
        "title": f"Delete the archive of {execution.instance}?",
        "opts": BackupExecution._meta,
        "execution": execution,
        "form": form,
        "before_drop": is_before(execution, open_episodes([execution.instance]).get(execution.instance)),
        "others": _other_archives(execution),
    }
    page = "admin/backups/backupexecution/delete_archive.html"
    return TemplateResponse(request, page, context, status=400 if form.is_bound else 200)


def _other_archives(execution: BackupExecution) -> list[BackupExecution]:
    """Return the two newest other archives of the instance."""
    others = BackupExecution.objects.of_instance(execution.instance).stored().exclude(pk=execution.pk)
    return list(others.without_manifest().select_related("destination")[:2])
