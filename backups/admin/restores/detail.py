"""The page of one restore."""

from django.http import HttpRequest, HttpResponse

from backups.admin.shared.history import history
from backups.admin.shared.permissions import ACKNOWLEDGE, RESTORE_ACTIONS, buttons
from backups.admin.shared.progress import live
from backups.admin.shared.views import page
from backups.models import InstanceState, RestoreExecution


def restore_page(request: HttpRequest, restore: RestoreExecution) -> HttpResponse:
    return page(
        request,
        "backups/restoreexecution/detail",
        title=f"{'Undo' if restore.undo_of_id else 'Restore'} of {restore.instance}",
        opts=restore._meta,
        run=restore,
        live=live(restore),
        buttons=buttons(restore, RESTORE_ACTIONS, request.user),
        acknowledge=next(iter(buttons(restore, [ACKNOWLEDGE], request.user)), None),
        restart=InstanceState.objects.restart_required().filter(restart_required_by=restore.pk).first(),
        undone_by=list(restore.undone_by.all()),
        **history(restore),
    )
