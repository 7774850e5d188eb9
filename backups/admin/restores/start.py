"""Starting a restore of a backup, after a page that says what would change."""

from functools import partial
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from backups.admin.restores.forms import RestoreForm, SelectionForm
from backups.admin.restores.preview import preview_context
from backups.admin.shared.confirm import confirm_page
from backups.admin.shared.permissions import RESTORE
from backups.admin.shared.under_way import start_and_enqueue
from backups.admin.shared.views import action_view, actor
from backups.instances import instance_names
from backups.models import BackupExecution
from backups.service.archives.signatures import State, signature_state
from backups.service.restore.preview.build import preview
from backups.service.restore.request import RestoreRequest, home_of
from backups.service.restore.start import start_restore
from destinations.exceptions import DestinationError


@action_view(RESTORE)
def restore(request: HttpRequest, backup: BackupExecution) -> HttpResponse:
    """Show the preview, or queue the restore that was confirmed; ``?into=`` names another instance."""
    instance = request.GET.get("into", home_of(backup))
    signature, unknown = None, ""
    try:
        signature = signature_state(backup)
    except DestinationError as error:
        unknown = f"not available: {error.message}"
    shown = preview(backup, instance, trusted=signature is not None and signature.state is State.SIGNED)
    data = [request.POST] if request.method == "POST" else []
    selection, form = SelectionForm(shown, *data), RestoreForm(shown, signature, *data)
    if selection.is_valid() and form.is_valid():
        asked = RestoreRequest(
            source=backup,
            instance=instance,
            archive_sha256=form.cleaned_data["archive_sha256"],
            changes_seen=form.cleaned_data["changes_seen"],
            components=selection.cleaned_data["components"],
            force_invalid_config=form.cleaned_data.get("force_invalid_config", False),
            allow_other_instance=form.cleaned_data.get("allow_other_instance", False),
            accept_unsigned=form.cleaned_data.get("accept_unsigned", False),
        )
        start = partial(start_restore, asked, by=actor(request))
        return start_and_enqueue(request, instance, start, f"The restore of {instance} is queued.")
    entries_url = reverse("admin:backups_backupexecution_restore_entries", args=[backup.pk])
    if instance != backup.instance:
        entries_url += f"?{urlencode({'into': instance})}"
    return confirm_page(
        request,
        RESTORE,
        backup,
        "backups/restoreexecution/restore",
        form,
        title=f"Restore {instance}?",
        selection=selection,
        entries_url=entries_url,
        signature=signature or unknown,
        others=[name for name in instance_names() if name != instance],
        **preview_context(shown, backup),
    )
