"""The page of one drill or verification."""

from django.http import HttpRequest, HttpResponse

from backups.admin.shared.history import history
from backups.admin.shared.permissions import DRILL_ACTIONS, buttons
from backups.admin.shared.progress import live
from backups.admin.shared.views import page
from backups.models import DrillExecution
from backups.service.drill.result import result_of


def drill_page(request: HttpRequest, drill: DrillExecution) -> HttpResponse:
    return page(
        request,
        "backups/drillexecution/detail",
        title=f"{drill.get_kind_display()} of {drill.instance}",
        opts=drill._meta,
        run=drill,
        live=live(drill),
        result=result_of(drill),
        buttons=buttons(drill, DRILL_ACTIONS, request.user),
        **history(drill),
    )
