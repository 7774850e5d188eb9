"""/metrics: what Prometheus scrapes. Instances, destinations and reasons have names, so it needs the token."""

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from backups.endpoints.access import Access, access_of, refusal
from backups.endpoints.collector import SiteCollector
from destinations.lib.database_errors import database_error

# of its own: the library's default one has metrics of this process, of which there are several
REGISTRY = CollectorRegistry()
REGISTRY.register(SiteCollector())


@require_safe
@never_cache
def metrics_view(request: HttpRequest) -> HttpResponse:
    access = access_of(request)
    if access is not Access.DETAILS:
        return refusal(access)
    encode, content_type = choose_encoder(request.META.get("HTTP_ACCEPT", ""))
    try:
        return HttpResponse(encode(REGISTRY), content_type=content_type)
    except DatabaseError as error:
        return HttpResponse(f"{database_error(error).text}\n", status=503, content_type="text/plain")
