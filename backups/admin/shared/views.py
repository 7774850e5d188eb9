"""What every view that does something has in common: its method, its permission, its record and its errors."""

import functools
import logging
from collections.abc import Callable
from typing import cast

from django.contrib import messages
from django.contrib.admin.sites import site
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from backups.admin.shared.permissions import Action, AnyRun
from backups.lib import audit
from backups.models import Run
from destinations.lib.operator_error import OperatorError

Work = Callable[[HttpRequest, AnyRun], HttpResponseBase]
View = Callable[[HttpRequest, str], HttpResponseBase]


def action_view(action: Action[AnyRun]) -> Callable[[Work[AnyRun]], View]:
    """Make a view of `work`: POST only (GET too where the action asks first), permission checked, errors shown."""

    def decorate(work: Work[AnyRun]) -> View:
        @functools.wraps(work)
        def view(request: HttpRequest, execution_id: str) -> HttpResponseBase:
            if request.method not in (("GET", "POST") if action.asks else ("POST",)):
                return HttpResponseNotAllowed(["GET", "POST"] if action.asks else ["POST"])
            run = get_object_or_404(action.model.objects, pk=execution_id)
            if not action.allowed(request.user):
                refuse(request, action, run)
            if not action.is_on:
                return _is_off(request, action, run)
            try:
                return work(request, run)
            except OperatorError as error:
                messages.error(request, f"{action.plain_label} failed: {error.text}")
                return to_page(run)

        return view

    return decorate


def refuse(request: HttpRequest, action: Action[AnyRun], run: AnyRun) -> None:
    """Record the attempt and raise PermissionDenied."""
    by = actor(request)
    audit.log(
        f"{run.noun}.forbidden", logging.WARNING, execution=run.pk, action=action.name, by=audit.name_of(by)
    )  # fmt: skip
    audit.note(by, run, f"Refused: {action.plain_label} without the permission {action.permission}.")
    raise PermissionDenied


def _is_off(request: HttpRequest, action: Action[AnyRun], run: AnyRun) -> HttpResponse:
    """Say that BACKUP_WEB_RESTORE turned the action off, and record the attempt."""
    audit.log(f"{run.noun}.switched-off", logging.WARNING, execution=run.pk, action=action.name, by=actor(request))
    context = site.each_context(request) | {
        "title": f"{action.plain_label} is switched off here",
        "opts": action.model._meta,
        "run": run,
        "page_url": page_url(run),
    }
    return TemplateResponse(request, "admin/backups/restoreexecution/off.html", context, status=403)


def actor(request: HttpRequest) -> AbstractUser:
    """Return the user; `admin_view` let only staff through."""
    return cast("AbstractUser", request.user)


def page_url(run: Run) -> str:
    return reverse(f"admin:backups_{run._meta.model_name}_change", args=[run.pk])


def to_page(run: Run) -> HttpResponseRedirect:
    return redirect(page_url(run))
