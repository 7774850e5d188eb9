"""The time zone in which a user reads the pages: the page where it is chosen, and the middleware that applies it.

A cookie of the browser holds it: no page costs a query for it, and it outlives the session.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect, resolve_url
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from backups.admin.shared.views import page
from backups.errors import BackupError
from backups.service.schedules.cadence import time_zone as zone_of

KEPT_FOR = timedelta(days=365)


class TimeZoneForm(forms.Form):
    time_zone = forms.ChoiceField(
        required=False,
        choices=lambda: [
            ("", f"That of the site: {settings.TIME_ZONE}"),
            *((name, name) for name in sorted(available_timezones())),
        ],
        error_messages={"invalid_choice": "There is no time zone of that name. Nothing was changed."},
        help_text="This browser keeps it for you. Schedules run in the time zone of their own.",
    )


def time_zone(request: HttpRequest) -> HttpResponse:
    """Show the form, or keep what was chosen and lead back to the page in ``next``."""
    if request.method not in ("GET", "POST"):
        return HttpResponseNotAllowed(["GET", "POST"])
    back = request.POST.get("next") or request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure()):
        back = resolve_url("admin:index")
    form = TimeZoneForm(request.POST if request.method == "POST" else None, initial={"time_zone": _chosen(request)})
    if not form.is_valid():
        status = 400 if form.is_bound else 200
        title = "Time zone of the pages"
        return page(request, "backups/overview/time_zone", status=status, title=title, form=form, back_url=back)
    name = form.cleaned_data["time_zone"]
    response = redirect(back)
    if name:
        response.set_cookie(
            _cookie(request),
            name,
            max_age=KEPT_FOR,
            path=settings.SESSION_COOKIE_PATH,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
    else:
        response.delete_cookie(_cookie(request), path=settings.SESSION_COOKIE_PATH)
    messages.success(request, f"The pages show times in {name or settings.TIME_ZONE}.")
    return response


def user_time_zone(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware, behind those of sessions and users: every page shows times in the zone that its user chose."""

    def middleware(request: HttpRequest) -> HttpResponse:
        name, zone = _chosen(request), None
        # a browser sends what it likes, and an update of the system may remove a zone: then that of the site
        with suppress(BackupError):
            zone = zone_of(name) if name else None
        with timezone.override(zone):
            return get_response(request)

    return middleware


def _chosen(request: HttpRequest) -> str:
    """Return the name that the browser sent, known or not; "" for none."""
    return request.COOKIES.get(_cookie(request), "")


def _cookie(request: HttpRequest) -> str:
    # two users of one browser have one each
    return f"time_zone_{request.user.pk}"
