"""The next five runs of a cadence, while it is typed and on the page of a schedule."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse

from backups.admin.schedules.covered import describe_cover, typed_scope
from backups.errors import BackupError
from backups.models import BackupSchedule
from backups.service.schedules.cadence import time_zone as zone_of
from backups.service.schedules.describe import cadence_in_words
from backups.service.schedules.planning import next_runs

RUNS = 5
# of their columns; what is longer is cut
LONGEST = {"type": 16, "expression": 128, "time_zone": 64}
MAY = ("backups.add_backupschedule", "backups.change_backupschedule")


def preview(request: HttpRequest) -> HttpResponse:
    """Answer ``{"words", "runs": [{"local", "utc"}], "problem"}`` for the cadence in the query, valid or not.

    With a ``scope`` in it also ``{"covers", "covers_problem"}``: the instances that it would cover now.
    """
    if request.method != "GET":
        return HttpResponseNotAllowed(["GET"])
    if not any(request.user.has_perm(permission) for permission in MAY):
        raise PermissionDenied
    values = {name: request.GET.get(name, "")[:most] for name, most in LONGEST.items()}
    answer = describe(**values)
    if "scope" in request.GET:
        answer |= describe_cover(**dict(typed_scope(request.GET)))
    return JsonResponse(answer, headers={"Cache-Control": "no-store"})


def describe(type: str, expression: str, time_zone: str) -> dict[str, Any]:
    """Return the cadence in words and its next runs, in its own time zone and in UTC; or its error."""
    schedule = BackupSchedule(type=type, expression=expression.strip(), time_zone=time_zone)
    try:
        if type not in BackupSchedule.Type:
            raise BackupError("Choose a type.")
        zone = zone_of(schedule.time_zone)
        runs = [
            {"local": f"{run.astimezone(zone):%a %Y-%m-%d %H:%M %Z}", "utc": f"{run:%a %Y-%m-%d %H:%M} UTC"}
            for run in next_runs(schedule, RUNS)
        ]
        return {"words": cadence_in_words(type, schedule.expression, time_zone), "runs": runs, "problem": ""}
    except BackupError as error:
        return {"words": "", "runs": [], "problem": error.text}
