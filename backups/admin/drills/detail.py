"""The page of one drill or verification."""

from django.contrib.admin.sites import site
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from backups.admin.shared.history import history
from backups.admin.shared.permissions import DRILL_ACTIONS, buttons
from backups.admin.shared.progress import live
from backups.models import DrillExecution
from backups.service.drill.result import result_of


def drill_page(request: HttpRequest, run: DrillExecution) -> HttpResponse:
    context = site.each_context(request) | {
        "title": f"{run.get_kind_display()} of {run.instance}",
        "opts": DrillExecution._meta,
        "run": run,
        "live": live(run),
        "result": result_of(run),
        "buttons": buttons(run, DRILL_ACTIONS, request.user),
        **history(run),
    }
    return TemplateResponse(request, "admin/backups/drillexecution/page.html", context)
