"""Acknowledging a restore: a person checked that the service works."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from backups.admin.shared.permissions import ACKNOWLEDGE
from backups.admin.shared.views import action_view, actor, redirect_to
from backups.models import RestoreExecution
from backups.service.restore.ending import restart


@action_view(ACKNOWLEDGE)
def acknowledge(request: HttpRequest, restore: RestoreExecution) -> HttpResponse:
    restart.acknowledge(restore, by=actor(request))
    messages.success(request, f"The restore of {restore.instance} is acknowledged.")
    return redirect_to(restore)
