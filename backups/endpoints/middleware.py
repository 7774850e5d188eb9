"""Answers /health and /metrics before the middleware of pages: no host name, no TLS and no session is asked for.

A probe of the host, a load balancer or Prometheus calls the site by an address that ALLOWED_HOSTS does not have, and
without the proxy that speaks TLS. What is answered holds no link, which such a name could lead astray.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from backups.endpoints.health import health_view
from backups.endpoints.metrics import metrics_view

VIEWS = {"/health": health_view, "/metrics": metrics_view}


def answer_programs(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def middleware(request: HttpRequest) -> HttpResponse:
        # without the path below which a proxy serves the site
        view = VIEWS.get(request.path_info)
        if view is None:
            return get_response(request)
        response = view(request)
        # A probe each ten seconds would fill the log with the same error. Who is refused is logged where that is found.
        response._has_been_logged = True  # type: ignore[attr-defined]  # what Django's log_response looks at
        return response

    return middleware
