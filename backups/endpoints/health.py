"""/health: 200 while the site does its work and no instance is unprotected, else 503."""

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from backups.endpoints.access import Access, access_of, refusal
from backups.service.monitoring.health import describe_health, describe_status, health
from destinations.lib.database_errors import database_error


@require_safe
@never_cache
def health_view(request: HttpRequest) -> HttpResponse:
    """Answer from rows and the clock: no destination and no file of an instance is opened."""
    access = access_of(request)
    if access not in (Access.DETAILS, Access.STATUS):
        return refusal(access)
    try:
        found = health()
    except DatabaseError as error:
        known = database_error(error)
        answer = {"status": "failing", "level": "unknown"}
        if access is Access.DETAILS:
            answer |= {"error": known.message, "hint": known.hint}
        return JsonResponse(answer, status=503)
    answer = describe_health(found) if access is Access.DETAILS else describe_status(found)
    return JsonResponse(answer, status=503 if found.is_failing else 200)
