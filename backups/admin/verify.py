"""Verifying the archive of an execution while the person waits."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import pluralize

from backups.admin.actions import VERIFY
from backups.admin.guard import action_view, actor, to_page
from backups.models import BackupExecution
from backups.service.verify import verify_execution


@action_view(VERIFY)
def verify(request: HttpRequest, execution: BackupExecution) -> HttpResponse:
    verified = verify_execution(execution, by=actor(request))
    files, databases = len(verified.manifest.contents), verified.databases
    messages.success(
        request,
        f"Verified: every file has the checksum of the manifest ({files} file{pluralize(files)}), "
        f"every database is sound ({databases} database{pluralize(databases)}).",
    )
    return to_page(execution)
