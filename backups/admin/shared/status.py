"""The JSON that pages poll while something runs."""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import get_object_or_404

from backups.admin.shared.permissions import AnyRun, sees
from backups.admin.shared.progress import live, with_progress
from backups.models import Run
from backups.runs.describe import describe_log, readable_log

# as many as a list shows; the URL of a poll stays short
MOST = 50
# of a line of the log that stands out
LEVELS = ("WARNING", "ERROR", "CRITICAL")


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


def shown_log(run: Run) -> dict[str, Any]:
    """Return the log lines of `run` with the level of each, and a mark that changes when lines are added."""
    log = describe_log(run)
    if log is None:
        return {"lines": [], "written_at": ""}
    return {"lines": [(_level_of(line), line) for line in readable_log(run)], "written_at": log["written_at"]}


def log_of_run(model: type[AnyRun]) -> Callable[..., HttpResponse]:
    """Return a view of `shown_log` for one run of `model`; empty, with 204, when its mark is that in ``?since=``."""

    def log(request: HttpRequest, run_id: str) -> HttpResponse:
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        if not sees(request.user, model):
            raise PermissionDenied
        found = shown_log(get_object_or_404(model.objects.without_manifest(), pk=run_id))
        if found["written_at"] == request.GET.get("since"):
            return HttpResponse(status=204)
        return JsonResponse(found, headers={"Cache-Control": "no-store"})

    return log


def _level_of(line: str) -> str:
    words = line.split(" ", 2)
    return words[1] if len(words) > 1 and words[1] in LEVELS else ""
