"""The page about coming runs: the next 24 hours by queue, and what became of the last 24."""

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils import timezone

from backups.admin.shared.permissions import VIEW, sees
from backups.admin.shared.views import page, page_url, refuse
from backups.models import RestoreExecution
from backups.service.monitoring.coming import coming_runs, past_runs

# of each queue and list; `comingruns --json` has all of them
MOST = 80


def coming(request: HttpRequest) -> HttpResponse:
    if request.method != "GET":
        return HttpResponseNotAllowed(["GET"])
    if not request.user.has_perm(VIEW):
        refuse(request, "coming runs")
    now = timezone.now()
    found, past = coming_runs(now), past_runs(now, with_restores=sees(request.user, RestoreExecution))
    return page(
        request,
        "backups/overview/coming",
        title="Coming runs",
        coming=found,
        digests=found.digests if request.user.has_perm("backups.view_notificationchannel") else [],
        past=past,
        troubles=[(one, page_url(one.run) if one.run is not None else "") for one in past.troubles[:MOST]],
        most=MOST,
        first=f":{MOST}",
    )
