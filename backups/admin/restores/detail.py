"""The page of one restore."""

from django.contrib.admin.sites import site
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from backups.admin.shared.history import history
from backups.admin.shared.permissions import ACKNOWLEDGE, RESTORE_ACTIONS, buttons
from backups.admin.shared.progress import live
from backups.models import InstanceState, RestoreExecution


def restore_page(request: HttpRequest, restore: RestoreExecution) -> HttpResponse:
    asked = InstanceState.objects.restart_required().filter(restart_required_by=restore.pk)
    context = site.each_context(request) | {
        "title": f"{'Undo' if restore.undo_of_id else 'Restore'} of {restore.instance}",
        "opts": RestoreExecution._meta,
        "restore": restore,
        "live": live(restore),
        "buttons": buttons(restore, RESTORE_ACTIONS, request.user),
        "acknowledge": next(iter(buttons(restore, [ACKNOWLEDGE], request.user)), None),
        "restart": asked.first(),
        "undone_by": list(restore.undone_by.all()),
        **history(restore),
    }
    return TemplateResponse(request, "admin/backups/restoreexecution/page.html", context)
