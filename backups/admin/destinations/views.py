"""What the views about one destination have in common: methods, permissions and errors."""

import functools
from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect

from backups.admin.shared.permissions import VIEW
from backups.admin.shared.views import refuse
from destinations.admin.methods import wrong_method
from destinations.lib.operator_error import OperatorError
from destinations.models import BackupDestination

Work = Callable[[HttpRequest, BackupDestination], HttpResponseBase]
View = Callable[[HttpRequest, str], HttpResponseBase]


def destination_view(*permissions: str, methods: tuple[str, ...]) -> Callable[[Work], View]:
    """Make a view of `work`: only `methods`, permissions checked, errors shown on the list of backups."""

    def decorate(work: Work) -> View:
        @functools.wraps(work)
        def view(request: HttpRequest, destination_id: str) -> HttpResponseBase:
            if request.method not in methods:
                return wrong_method(request, methods, "admin:destinations_backupdestination_retention", destination_id)
            destination = get_object_or_404(BackupDestination, pk=destination_id)
            if not request.user.has_perms([VIEW, *permissions]):
                refuse(request, work.__name__, destination)
            try:
                return work(request, destination)
            except OperatorError as error:
                messages.error(request, error.text)
                return redirect("admin:backups_backupexecution_changelist")

        return view

    return decorate
