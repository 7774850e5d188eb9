"""Enqueueing a drill or a verification of a backup: reading an archive may take longer than a page may take."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from backups.admin.shared.permissions import DRILL, VERIFY
from backups.admin.shared.under_way import warn_waiting
from backups.admin.shared.views import action_view, actor, redirect_to
from backups.models import BackupExecution, DrillExecution
from backups.runs.queue.deduplication import AlreadyWaiting
from backups.service.drill.run import start_drill
from backups.worker.tasks import enqueue

Kind = DrillExecution.Kind


@action_view(DRILL)
def drill(request: HttpRequest, backup: BackupExecution) -> HttpResponse:
    return _start(request, backup, Kind.DRILL)


@action_view(VERIFY)
def verify(request: HttpRequest, backup: BackupExecution) -> HttpResponse:
    return _start(request, backup, Kind.VERIFICATION)


def _start(request: HttpRequest, backup: BackupExecution, kind: DrillExecution.Kind) -> HttpResponse:
    try:
        run = start_drill(backup, by=actor(request), kind=kind)
    except AlreadyWaiting as waiting:
        return redirect_to(warn_waiting(request, waiting))
    enqueue(run)
    messages.success(request, f"The {run.label} of {run.instance} is queued.")
    return redirect_to(run)
