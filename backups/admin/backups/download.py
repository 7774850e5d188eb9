"""Downloading the archive of a backup."""

from django.http import FileResponse, HttpRequest

from backups.admin.shared.permissions import DOWNLOAD
from backups.admin.shared.views import action_view, actor
from backups.models import BackupExecution
from backups.service.archives.fetch import download_backup


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
