"""All names of what a restore or an undo deletes, adds and replaces in trees, page by page."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from backups.admin.restores.preview import shown_component
from backups.admin.restores.undo import NOTHING_TO_UNDO
from backups.admin.shared.permissions import RESTORE, UNDO
from backups.admin.shared.views import action_view, page
from backups.errors import BackupError
from backups.models import BackupExecution, RestoreExecution, Run
from backups.service.restore.preview.build import preview
from backups.service.restore.preview.summary import Preview
from backups.service.restore.preview.tree import MOST_NAMES


@action_view(RESTORE)
def restore_entries(request: HttpRequest, backup: BackupExecution) -> HttpResponse:
    instance = request.GET.get("into", backup.instance)
    first = _first(request)
    into = {} if instance == backup.instance else {"into": instance}
    back = reverse("admin:backups_backupexecution_restore", args=[backup.pk]) + (f"?{urlencode(into)}" if into else "")
    shown = preview(backup, instance, first_name=first)
    return _page(request, backup, shown, first, into, back_url=back, back_title=f"Restore {instance}?")


@action_view(UNDO)
def undo_entries(request: HttpRequest, restore: RestoreExecution) -> HttpResponse:
    if restore.safety_backup is None or not UNDO.applies(restore):
        raise BackupError(NOTHING_TO_UNDO, hint="This page says how the restore ended.")
    first = _first(request)
    shown = preview(restore.safety_backup, restore.instance, undo_of=restore, first_name=first)
    back = reverse("admin:backups_restoreexecution_undo", args=[restore.pk])
    title = f"Undo the restore of {restore.instance}?"
    return _page(request, restore, shown, first, {}, back_url=back, back_title=title, undo=True)


def _first(request: HttpRequest) -> int:
    """Return the number of the first name of the page: 0 for what is no number."""
    text = request.GET.get("first", "")
    # a longer number would be an expensive int() and no position in any list
    return int(text) if text.isdecimal() and len(text) < 16 else 0


def _page(
    request: HttpRequest, run: Run, shown: Preview, first: int, query: dict[str, str], **more: Any
) -> HttpResponse:
    trees = [component for component in shown.components if component.tree is not None]
    groups = [group for one in trees if one.tree for group in (one.tree.going, one.tree.returning, one.tree.changing)]
    return page(
        request,
        "backups/restoreexecution/preview/entries",
        title=f"Files that differ in {shown.instance}",
        opts=run._meta,
        preview=shown,
        archive=shown.archive,
        components=[shown_component(component) for component in trees],
        query=f"{urlencode(query)}&" if query else "",
        number=first + 1,
        previous=max(0, first - MOST_NAMES) if first else None,
        next=first + MOST_NAMES if any(group.more for group in groups) else None,
        **more,
    )
