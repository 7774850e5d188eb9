"""What the pages about one destination have in common: its permission, its record and its errors."""

import functools
import logging
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.admin.sites import site
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse

from backups.admin.shared.permissions import VIEW
from backups.admin.shared.views import actor
from backups.lib import audit
from backups.models import BackupExecution
from destinations.lib.operator_error import OperatorError
from destinations.models import BackupDestination

Work = Callable[[HttpRequest, BackupDestination], HttpResponseBase]
View = Callable[[HttpRequest, str], HttpResponseBase]


def destination_view(*permissions: str, methods: tuple[str, ...]) -> Callable[[Work], View]:
    """Make a view of `work`: only `methods`, permissions checked, errors shown on the list of destinations' backups."""

    def decorate(work: Work) -> View:
        @functools.wraps(work)
        def view(request: HttpRequest, destination_id: str) -> HttpResponseBase:
            if request.method not in methods:
                return HttpResponseNotAllowed(methods)
            destination = get_object_or_404(BackupDestination, pk=destination_id)
            if not request.user.has_perms([VIEW, *permissions]):
                refuse(request, destination, work.__name__)
            try:
                return work(request, destination)
            except OperatorError as error:
                messages.error(request, error.text)
                return redirect("admin:backups_backupexecution_changelist")

        return view

    return decorate


def refuse(request: HttpRequest, destination: BackupDestination | None, action: str) -> None:
    """Record the attempt and raise PermissionDenied."""
    by = actor(request)
    name = destination.name if destination else None
    audit.log("destination.forbidden", logging.WARNING, destination=name, action=action, by=audit.name_of(by))
    if destination is not None:
        audit.note(by, destination, f"Refused: {action} without its permission.")
    raise PermissionDenied


def page(request: HttpRequest, name: str, *, status: int = 200, **context: Any) -> HttpResponse:
    """Return the template `name` of ours, for `context`."""
    values = site.each_context(request) | {"opts": BackupExecution._meta} | context
    return TemplateResponse(request, f"admin/backups/backupexecution/{name}.html", values, status=status)
