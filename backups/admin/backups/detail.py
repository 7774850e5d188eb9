"""The page of one execution."""

from typing import Any

from django.contrib.admin.sites import site
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from backups.admin.shared.history import history
from backups.admin.shared.permissions import ACTIONS, RESTORE, buttons
from backups.admin.shared.progress import live, with_progress
from backups.archive.errors import ArchiveError
from backups.archive.manifest.document import Manifest
from backups.models import BackupExecution
from backups.service.drops.episodes import drops_of

RECENT_DRILLS = 10
MOST_DROPS = 200


def execution_page(request: HttpRequest, execution: BackupExecution) -> HttpResponse:
    context = site.each_context(request) | {
        "title": f"Backup of {execution.instance}",
        "opts": BackupExecution._meta,
        "execution": execution,
        "live": live(execution),
        "buttons": buttons(execution, ACTIONS, request.user),
        "ratio": _ratio(execution),
        "restores_are_off": RESTORE.applies(execution) and RESTORE.allowed(request.user) and not RESTORE.is_on,
        "drills": [(run, live(run)) for run in with_progress(execution.drills.all())[:RECENT_DRILLS]],
        "drops": drops_of(execution)[:MOST_DROPS],
        "drill_list": f"{reverse('admin:backups_drillexecution_changelist')}?execution={execution.pk}",
        **history(execution),
        **_manifest(execution),
    }
    return TemplateResponse(request, "admin/backups/backupexecution/page.html", context)


def _ratio(execution: BackupExecution) -> str:
    """Return how large the archive is beside what it holds."""
    if not execution.size_bytes or execution.compressed_size_bytes is None:
        return ""
    return f"{100 * execution.compressed_size_bytes / execution.size_bytes:.0f}%"


def _manifest(execution: BackupExecution) -> dict[str, Any]:
    """Return the manifest, or why it cannot be shown: a row written by another program must not break the page."""
    if execution.manifest_json is None:
        return {}
    try:
        return {"manifest": Manifest.from_dict(execution.manifest_json)}
    except ArchiveError as error:
        return {"manifest_problem": error}
