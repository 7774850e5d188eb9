"""The list of copies under way and ended, and the URLs of everything that is about one of them."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from backups.admin.shared.cancel import cancel_view
from backups.admin.shared.changelist import InstanceFilter, RunAdmin
from backups.admin.shared.permissions import CANCEL_COPY, COPY_ACTIONS
from backups.admin.shared.views import page_url, run_page
from backups.models import CopyExecution


def copy_page(request: HttpRequest, run: CopyExecution) -> HttpResponse:
    title = f"Copy of {run.instance} to {run.copy.destination}"
    return run_page(request, "backups/copyexecution/detail", run, COPY_ACTIONS, title=title, copy=run.copy)


@admin.register(CopyExecution)
class CopyAdmin(RunAdmin):
    page = staticmethod(copy_page)
    related = ("copy__execution", "copy__destination")
    views = (cancel_view(CANCEL_COPY),)
    list_display = ("name", "state", "to", "by", "began")
    list_filter = ("status", ("instance", InstanceFilter))
    list_select_related = ("copy__execution", "copy__destination")
    search_fields = ("=id", "instance", "triggered_by")
    search_help_text = "Instance, person or the whole id."
    actions = None

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"title": "Copies to further destinations"} | (extra_context or {}))

    @admin.display(description="copy of", ordering="instance")
    def name(self, run: CopyExecution) -> SafeString:
        link = format_html('<a data-field="instance" href="{}">{}</a>', page_url(run), run.instance)
        return format_html('{}<small class="bs-detail" data-field="execution">{}</small>', link, run.copy.execution)

    @admin.display(description="to")
    def to(self, run: CopyExecution) -> str:
        return run.copy.destination.name

    @admin.display(description="by", ordering="triggered_by")
    def by(self, run: CopyExecution) -> str:
        return run.triggered_by
