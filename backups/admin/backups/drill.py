"""Queueing a drill or a verification of a backup: an archive may take longer to read than a page may take."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from backups.admin.shared.permissions import DRILL, VERIFY
from backups.admin.shared.under_way import say_waiting
from backups.admin.shared.views import action_view, actor, to_page
from backups.models import BackupExecution, DrillExecution
from backups.runs.queue.once import AlreadyWaiting
from backups.service.drill.run import start_drill
from backups.worker.tasks import enqueue

Kind = DrillExecution.Kind


@action_view(DRILL)
def drill(request: HttpRequest, execution: BackupExecution) -> HttpResponse:
    return _start(request, execution, Kind.DRILL)


@action_view(VERIFY)
def verify(request: HttpRequest, execution: BackupExecution) -> HttpResponse:
    return _start(request, execution, Kind.VERIFICATION)


def _start(request: HttpRequest, execution: BackupExecution, kind: DrillExecution.Kind) -> HttpResponse:
    try:
        run = start_drill(execution, by=actor(request), kind=kind)
    except AlreadyWaiting as waiting:
        return to_page(say_waiting(request, waiting))
    enqueue(run)
    messages.success(request, f"The {run.word} of {run.instance} is queued.")
    return to_page(run)
