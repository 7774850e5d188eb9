"""Restoring from a backup, after a page that says what would change."""

from functools import partial
from urllib.parse import urlencode

from django.contrib.admin.sites import site
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from backups.admin.restores.forms import RestoreForm, SelectionForm
from backups.admin.restores.preview import preview_context
from backups.admin.shared.permissions import RESTORE
from backups.admin.shared.under_way import queued
from backups.admin.shared.views import action_view, actor
from backups.instances import instance_names
from backups.models import BackupExecution
from backups.service.archives.signatures import Signature, State, signature_state
from backups.service.restore.preview.build import preview
from backups.service.restore.request import RestoreRequest
from backups.service.restore.start import start_restore
from destinations.exceptions import DestinationError


@action_view(RESTORE)
def restore(request: HttpRequest, execution: BackupExecution) -> HttpResponse:
    """Show the preview, or queue the restore that was confirmed; ``?into=`` names another instance."""
    instance = request.GET.get("into", execution.instance)
    signature, unknown = _signature(execution)
    shown = preview(execution, instance, trusted=signature is not None and signature.state is State.SIGNED)
    data = [request.POST] if request.method == "POST" else []
    selection, form = SelectionForm(shown, *data), RestoreForm(shown, signature, *data)
    if selection.is_valid() and form.is_valid():
        return _start(request, execution, instance, selection, form)
    context = site.each_context(request) | {
        "title": f"Restore {instance}?",
        "opts": BackupExecution._meta,
        "execution": execution,
        "selection": selection,
        "form": form,
        **preview_context(shown, execution),
        "entries_url": _entries_url(execution, instance),
        "signature": signature or unknown,
        "others": [name for name in instance_names() if name != instance],
    }
    page = "admin/backups/restoreexecution/restore.html"
    return TemplateResponse(request, page, context, status=400 if form.is_bound else 200)


def _entries_url(execution: BackupExecution, instance: str) -> str:
    url = reverse("admin:backups_backupexecution_restore_entries", args=[execution.pk])
    return url if instance == execution.instance else f"{url}?{urlencode({'into': instance})}"


def _signature(execution: BackupExecution) -> tuple[Signature | None, str]:
    """Return what the signature says, or why it cannot be looked at now. Raises ArchiveError for one that is wrong."""
    try:
        return signature_state(execution), ""
    except DestinationError as error:
        return None, f"cannot be looked at: {error.message}"


def _start(
    request: HttpRequest, execution: BackupExecution, instance: str, selection: SelectionForm, form: RestoreForm
) -> HttpResponse:
    asked = RestoreRequest(
        source=execution,
        instance=instance,
        archive_sha256=form.cleaned_data["archive_sha256"],
        changes_seen=form.cleaned_data["changes_seen"],
        components=selection.cleaned_data["components"],
        force_invalid_config=form.cleaned_data.get("force_invalid_config", False),
        allow_other_instance=form.cleaned_data.get("allow_other_instance", False),
        accept_unsigned=form.cleaned_data.get("accept_unsigned", False),
    )
    start = partial(start_restore, asked, by=actor(request))
    return queued(request, instance, start, f"The restore of {instance} is queued.")
