"""The answer to a request whose method a view does not take."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect


def wrong_method(request: HttpRequest, methods: tuple[str, ...], page: str, *args: str) -> HttpResponse:
    """Lead a GET back to `page`, which has the button: a sign-in leads to the address of the button that needed it."""
    if request.method != "GET":
        return HttpResponseNotAllowed(methods)
    messages.warning(request, "Nothing was done. If you were signed out meanwhile, press the button again.")
    return redirect(page, *args)
