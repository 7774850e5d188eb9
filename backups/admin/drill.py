"""Drilling the archive of a backup while the person waits."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from backups.admin import formats
from backups.admin.actions import DRILL
from backups.admin.guard import action_view, actor, to_page
from backups.models import BackupExecution
from backups.service import drill as service


@action_view(DRILL)
def drill(request: HttpRequest, execution: BackupExecution) -> HttpResponse:
    done = service.drill(execution, by=actor(request))
    if done.verdict == service.PASSED:
        took = formats.seconds(done.seconds)
        messages.success(request, f"The drill passed: {formats.size(done.bytes)} were restored in {took}.")
    else:
        messages.error(request, f"The drill failed: {formats.sentence(done.error)} {formats.sentence(done.hint)}")
    return to_page(execution)
