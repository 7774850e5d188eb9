"""Asking a queued or running backup, restore or drill to stop."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from backups.admin.shared.permissions import CANCEL, CANCEL_DRILL, CANCEL_RESTORE
from backups.admin.shared.views import action_view, actor, to_page
from backups.models import BackupExecution, DrillExecution, RestoreExecution, Run
from backups.runs import finish


@action_view(CANCEL)
def cancel(request: HttpRequest, execution: BackupExecution) -> HttpResponse:
    return _cancel(request, execution)


@action_view(CANCEL_RESTORE)
def cancel_restore(request: HttpRequest, restore: RestoreExecution) -> HttpResponse:
    return _cancel(request, restore)


@action_view(CANCEL_DRILL)
def cancel_drill(request: HttpRequest, run: DrillExecution) -> HttpResponse:
    return _cancel(request, run)


def _cancel(request: HttpRequest, run: Run) -> HttpResponse:
    finish.cancel(run, by=actor(request))
    if run.is_active:
        messages.success(request, f"The {run.word} of {run.instance} will stop in a moment.")
    else:
        messages.success(request, f"The {run.word} of {run.instance} was cancelled before it started.")
    return to_page(run)
