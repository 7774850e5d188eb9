"""What every view has in common: its methods, its permission, the record of a refusal, its errors and its page."""

import functools
import logging
from collections.abc import Callable, Iterable
from typing import Any, NoReturn, cast

from django.contrib import messages
from django.contrib.admin.sites import site
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from backups.admin.shared.history import history
from backups.admin.shared.permissions import Action, AnyRun, buttons
from backups.admin.shared.progress import live
from backups.admin.shared.status import shown_log
from backups.lib import audit
from backups.models import Run
from destinations.admin.methods import wrong_method
from destinations.lib.operator_error import OperatorError
from destinations.models import BackupDestination

Work = Callable[[HttpRequest, AnyRun], HttpResponseBase]
View = Callable[[HttpRequest, str], HttpResponseBase]


def action_view(action: Action[AnyRun]) -> Callable[[Work[AnyRun]], View]:
    """Make a view of `work`: POST only (GET too where the action has a page), permission checked, errors shown."""
    methods = ("GET", "POST") if action.has_page else ("POST",)

    def decorate(work: Work[AnyRun]) -> View:
        @functools.wraps(work)
        def view(request: HttpRequest, run_id: str) -> HttpResponseBase:
            if request.method not in methods:
                return wrong_method(request, methods, f"admin:backups_{action.model._meta.model_name}_change", run_id)
            run = get_object_or_404(action.model.objects, pk=run_id)
            by, logged = actor(request), {run.noun: run.pk, "action": action.name}
            # `admin_view` checks only that the user is staff
            if not action.allowed(request.user):
                audit.log(f"{run.noun}.forbidden", logging.WARNING, **logged, by=audit.name_of(by))
                audit.note(by, run, f"Refused: {action.plain_label} without the permission {action.permission}.")
                raise PermissionDenied
            if not action.is_on:
                audit.log(f"{run.noun}.switched-off", logging.WARNING, **logged, by=by)
                title = f"{action.plain_label} is switched off here"
                back = page_url(run)
                return page(request, "backups/off", status=403, title=title, opts=run._meta, run=run, back_url=back)
            try:
                return work(request, run)
            except OperatorError as error:
                # whoever only opens the page of an action has asked for nothing that could fail
                outcome = "failed" if request.method == "POST" else "is not possible"
                messages.error(request, f"{action.plain_label} {outcome}: {error.text}")
                return redirect_to(run)

        return view

    return decorate


def refuse(request: HttpRequest, action: str, destination: BackupDestination | None = None) -> NoReturn:
    """Record an attempt that is not about one run, and raise PermissionDenied."""
    by = actor(request)
    name = destination.name if destination else None
    audit.log("destination.forbidden", logging.WARNING, destination=name, action=action, by=audit.name_of(by))
    if destination is not None:
        audit.note(by, destination, f"Refused: {action} without its permission.")
    raise PermissionDenied


def page(request: HttpRequest, template: str, *, status: int = 200, **context: Any) -> HttpResponse:
    """Return the page of `template`, a path below templates/admin without its suffix, for `context`."""
    values = site.each_context(request) | context
    return TemplateResponse(request, f"admin/{template}.html", values, status=status)


def run_page(
    request: HttpRequest, template: str, run: AnyRun, actions: Iterable[Action[AnyRun]], **context: Any
) -> HttpResponse:
    """Return the page about `run`: its state, buttons for those of `actions` that are possible now, and its history."""
    common: dict[str, Any] = {
        "opts": run._meta,
        "run": run,
        "live": live(run),
        "buttons": buttons(run, actions, request.user),
        "log": shown_log(run),
        "log_url": reverse(f"admin:backups_{run._meta.model_name}_log", args=[run.pk]),
    }
    return page(request, template, **common, **history(run), **context)


def actor(request: HttpRequest) -> AbstractUser:
    """Return the user; `admin_view` lets only staff through."""
    return cast("AbstractUser", request.user)


def page_url(run: Run) -> str:
    return reverse(f"admin:backups_{run._meta.model_name}_change", args=[run.pk])


def redirect_to(run: Run) -> HttpResponseRedirect:
    """Redirect to the page of `run`."""
    return redirect(page_url(run))


def site_path(route: str, view: Callable[..., HttpResponseBase], name: str = "") -> URLPattern:
    """Return a URL of the admin site, for a page that belongs to no ModelAdmin. Only staff reach `view`."""
    return path(route, site.admin_view(view), name=name or None)


def moved(name: str) -> Callable[..., HttpResponse]:
    """Return a view that redirects an address of earlier versions to the page `name` for good."""

    def view(request: HttpRequest, **parts: str) -> HttpResponse:
        # a browser repeats a redirected POST as a GET, and what it sent would be lost silently
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        query = request.META.get("QUERY_STRING", "")
        address = reverse(f"admin:{name}", kwargs=parts)
        return redirect(f"{address}?{query}" if query else address, permanent=True)

    return view
