"""Cancelling a queued or running backup, restore or drill."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from backups.admin.shared.permissions import Action, AnyRun
from backups.admin.shared.views import View, action_view, actor, redirect_to
from backups.runs import finish


def cancel_view(action: Action[AnyRun]) -> View:
    """Return the view that cancels runs of the model of `action`."""

    @action_view(action)
    def cancel(request: HttpRequest, run: AnyRun) -> HttpResponse:
        finish.cancel(run, by=actor(request))
        if run.is_active:
            messages.success(request, f"The {run.label} of {run.instance} will stop in a moment.")
        else:
            messages.success(request, f"The {run.label} of {run.instance} was cancelled before it started.")
        return redirect_to(run)

    return cancel
