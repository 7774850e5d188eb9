"""Downloading the archive of a backup, and its signature."""

from django.http import FileResponse, HttpRequest, HttpResponse

from backups.admin.shared.permissions import DOWNLOAD, SIGNATURE
from backups.admin.shared.views import action_view, actor
from backups.errors import BackupError
from backups.models import BackupExecution
from backups.service.archives.fetch import download_backup
from backups.service.archives.names import signature_of
from backups.service.archives.signatures import read_signature


@action_view(DOWNLOAD)
def download(request: HttpRequest, backup: BackupExecution) -> FileResponse:
    """Return the archive as an attachment. POST, because each download is recorded: no prefetch, no browser history."""
    return FileResponse(
        download_backup(backup, by=actor(request)),
        as_attachment=True,
        filename=backup.backup_filename,
        content_type="application/octet-stream",
        headers={"Cache-Control": "no-store"},
    )


@action_view(SIGNATURE)
def download_signature(request: HttpRequest, backup: BackupExecution) -> HttpResponse:
    """Return the signature that lies beside the archive, which `minisign -Vm` wants beside the download too."""
    with backup.destination.open() as destination:
        text = read_signature(destination, backup.backup_path)
    if text is None:
        raise BackupError(f"{backup} has no signature at {backup.destination}.", hint="Verify it by its SHA-256.")
    name = signature_of(backup.backup_filename)
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return HttpResponse(text, content_type="application/octet-stream", headers=headers)
