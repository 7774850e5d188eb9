"""The page of one restore."""

from django.http import HttpRequest, HttpResponse

from backups.admin.shared.permissions import ACKNOWLEDGE, RESTORE_ACTIONS, buttons
from backups.admin.shared.views import run_page
from backups.models import InstanceState, RestoreExecution


def restore_page(request: HttpRequest, restore: RestoreExecution) -> HttpResponse:
    return run_page(
        request,
        "backups/restoreexecution/detail",
        restore,
        RESTORE_ACTIONS,
        title=f"{'Undo' if restore.undo_of_id else 'Restore'} of {restore.instance}",
        acknowledge=next(iter(buttons(restore, [ACKNOWLEDGE], request.user)), None),
        restart=InstanceState.objects.restart_required().filter(restart_required_by=restore.pk).first(),
        undone_by=list(restore.undone_by.all()),
    )
