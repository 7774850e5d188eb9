"""The page of one drill or verification."""

from django.http import HttpRequest, HttpResponse

from backups.admin.shared.permissions import DRILL_ACTIONS
from backups.admin.shared.views import run_page
from backups.models import DrillExecution
from backups.service.drill.result import result_of


def drill_page(request: HttpRequest, drill: DrillExecution) -> HttpResponse:
    title = f"{drill.get_kind_display()} of {drill.instance}"
    return run_page(
        request, "backups/drillexecution/detail", drill, DRILL_ACTIONS, title=title, result=result_of(drill)
    )
