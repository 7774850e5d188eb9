"""The page of one backup."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from backups.admin.shared.permissions import ACTIONS, RESTORE
from backups.admin.shared.progress import live, with_progress
from backups.admin.shared.views import run_page
from backups.archive.errors import ArchiveError
from backups.archive.manifest.document import Manifest
from backups.models import BackupExecution
from backups.service.archives.openable import no_key_for
from backups.service.archives.records.copies import copies_of
from backups.service.drops.entries import RECURRING
from backups.service.drops.episodes import drops_of, headline_of

# of hundreds a page would be slow, and the list of drills has all of them
RECENT_DRILLS = 10
MOST_DROPS = 200


def backup_page(request: HttpRequest, backup: BackupExecution) -> HttpResponse:
    manifest: dict[str, Any] = {}
    if backup.manifest_json is not None:
        try:
            manifest = {"manifest": Manifest.from_dict(backup.manifest_json)}
        except ArchiveError as error:
            # a row that another program wrote must not break the page
            manifest = {"manifest_problem": error}
    ratio = ""
    if backup.size_bytes and backup.compressed_size_bytes is not None:
        ratio = f"{100 * backup.compressed_size_bytes / backup.size_bytes:.0f}%"
    drops = drops_of(backup)
    return run_page(
        request,
        "backups/backupexecution/detail",
        backup,
        ACTIONS,
        title=f"Backup of {backup.instance}",
        ratio=ratio,
        no_key=no_key_for(backup) if backup.has_archive else None,
        restores_are_off=RESTORE.applies(backup) and RESTORE.allowed(request.user) and not RESTORE.is_on,
        drills=[(drill, live(drill)) for drill in with_progress(backup.drills.all())[:RECENT_DRILLS]],
        drill_list=f"{reverse('admin:backups_drillexecution_changelist')}?execution={backup.pk}",
        copies=copies_of(backup),
        drops=drops[:MOST_DROPS],
        headline=headline_of([drop for drop, _ in drops]),
        recurring=RECURRING,
        **manifest,
    )
