"""The JSON that pages poll while something runs."""

from collections.abc import Callable

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse

from backups.admin.shared.permissions import AnyRun, sees
from backups.admin.shared.progress import live, with_progress

# as many as a list shows; the URL of a poll stays short
MOST = 50


def status_of(model: type[AnyRun]) -> Callable[..., HttpResponse]:
    """Return a view of the runs of `model`: ``{"executions": [...]}`` for one id, or for those in ``?ids=a,b``.

    Unknown ids in ``?ids=`` are left out.
    """

    def status(request: HttpRequest, run_id: str | None = None) -> HttpResponse:
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        if not sees(request.user, model):
            raise PermissionDenied
        ids = [run_id] if run_id else [text for text in request.GET.get("ids", "").split(",") if text]
        if len(ids) > MOST:
            return JsonResponse({"error": f"at most {MOST} ids at once"}, status=400)
        found = [live(run) for run in with_progress(model.objects.filter(pk__in=ids))]
        if run_id and not found:
            raise Http404
        return JsonResponse({"executions": found}, headers={"Cache-Control": "no-store"})

    return status
