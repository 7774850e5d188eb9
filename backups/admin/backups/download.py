"""Downloading the archive of a backup, and its signature."""

from django.http import FileResponse, HttpRequest, HttpResponse

from backups.admin.shared.permissions import DOWNLOAD, SIGNATURE
from backups.admin.shared.views import action_view, actor
from backups.errors import BackupError
from backups.models import BackupExecution
from backups.service.archives.fetch import download_named
from backups.service.archives.signatures import signature_to_download


@action_view(DOWNLOAD)
def download(request: HttpRequest, backup: BackupExecution) -> FileResponse:
    """Return the archive as an attachment. POST, because each download is recorded: no prefetch, no browser history."""
    # copies may be packed for different encryptions, and have names of their own
    name, file = download_named(backup, by=actor(request))
    return FileResponse(
        file,
        as_attachment=True,
        filename=name,
        content_type="application/octet-stream",
        headers={"Cache-Control": "no-store"},
    )


@action_view(SIGNATURE)
def download_signature(request: HttpRequest, backup: BackupExecution) -> HttpResponse:
    """Return the signature that lies beside the archive, which `minisign -Vm` wants beside the download too."""
    found = signature_to_download(backup)
    if found is None:
        raise BackupError(f"{backup} has no signature at {backup.destination}.", hint="Verify it by its SHA-256.")
    name, text = found
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return HttpResponse(text, content_type="application/octet-stream", headers=headers)
