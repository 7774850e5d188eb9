"""The next five runs of a rhythm, while it is typed and on the page of a schedule."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse

from backups.errors import BackupError
from backups.models import BackupSchedule
from backups.service.schedules.cadence import time_zone
from backups.service.schedules.describe import in_words
from backups.service.schedules.planning import next_runs

RUNS = 5
LONGEST = {"type": 16, "expression": 128, "time_zone": 64}
MAY = ("backups.add_backupschedule", "backups.change_backupschedule")


def preview(request: HttpRequest) -> HttpResponse:
    """Answer ``{"words", "runs": [{"local", "utc"}], "problem"}`` for the rhythm in the query, wrong or right."""
    if request.method != "GET":
        return HttpResponseNotAllowed(["GET"])
    if not any(request.user.has_perm(permission) for permission in MAY):
        raise PermissionDenied
    values = {name: request.GET.get(name, "")[:most] for name, most in LONGEST.items()}
    return JsonResponse(describe(**values), headers={"Cache-Control": "no-store"})


def describe(type: str, expression: str, time_zone: str) -> dict[str, Any]:
    """Return the rhythm in words and its next runs, in its own time zone and in UTC; or what is wrong with it."""
    schedule = BackupSchedule(type=type, expression=expression.strip(), time_zone=time_zone)
    try:
        if type not in BackupSchedule.Type:
            raise BackupError("choose a type")
        return {"words": in_words(type, schedule.expression, time_zone), "runs": _runs(schedule), "problem": ""}
    except BackupError as error:
        return {"words": "", "runs": [], "problem": error.text}


def _runs(schedule: BackupSchedule) -> list[dict[str, str]]:
    zone = time_zone(schedule.time_zone)
    return [
        {"local": f"{run.astimezone(zone):%a %Y-%m-%d %H:%M %Z}", "utc": f"{run:%a %Y-%m-%d %H:%M} UTC"}
        for run in next_runs(schedule, RUNS)
    ]
