"""The pages of errors, in the layout of the site and with a way back."""

from typing import Any

from django.contrib.admin.sites import site
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.http import url_has_allowed_host_and_scheme


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _plain(400, "This request is malformed", "The site cannot read what the browser sent. Nothing was done.")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    name = request.user.get_username()
    who = f"You are signed in as {name}, who" if name else "You"
    text = f"{who} may not do this. Nothing was done. Whoever manages the users of this site can permit it."
    return _page(request, 403, "This is not permitted", text)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    text = "It may have been deleted, or its address is mistyped."
    return _page(request, 404, "There is no such page", text)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    text = (
        "Nothing was done: the form was sent from a page that was opened before you signed in last, or the browser "
        "keeps no cookies of this site. Go back, load that page again, and repeat what you did."
    )
    return _page(request, 403, "This form is out of date", text)


def server_error(request: HttpRequest) -> HttpResponse:
    text = (
        "It is a fault of the site, and its log says what happened. Backups and restores that run go on: look at their "
        "pages before you repeat what you did."
    )
    return _plain(500, "The site failed to answer", text)


def _plain(status: int, title: str, text: str) -> HttpResponse:
    """Return a page that needs neither database, user nor host name: one of them may be what is wrong."""
    page = render_to_string("admin/backups/errors/plain.html", {"title": title, "text": text})
    return HttpResponse(page, status=status)


def _page(request: HttpRequest, status: int, title: str, text: str) -> HttpResponse:
    back = request.META.get("HTTP_REFERER", "")
    is_ours = url_has_allowed_host_and_scheme(back, {request.get_host()})
    context: dict[str, Any] = site.each_context(request) | {"title": title, "text": text}
    context["back_url"] = back if is_ours else ""
    return HttpResponse(render_to_string("admin/backups/errors/page.html", context, request), status=status)
