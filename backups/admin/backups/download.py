"""Handing the archive of an execution to a person."""

from django.http import FileResponse, HttpRequest

from backups.admin.shared.permissions import DOWNLOAD
from backups.admin.shared.views import action_view, actor
from backups.models import BackupExecution
from backups.service.archives.fetch import download_backup


@action_view(DOWNLOAD)
def download(request: HttpRequest, execution: BackupExecution) -> FileResponse:
    """Answer with the archive as an attachment. POST, because each one is recorded: no prefetch, no history entry."""
    return FileResponse(
        download_backup(execution, by=actor(request)),
        as_attachment=True,
        filename=execution.backup_filename,
        content_type="application/octet-stream",
        headers={"Cache-Control": "no-store"},
    )
