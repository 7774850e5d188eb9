"""The list of drills and verifications, and the URLs of everything that is about one of them."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString

from backups.admin.drills.detail import drill_page
from backups.admin.shared.cancel import cancel_drill
from backups.admin.shared.changelist import RunAdmin
from backups.admin.shared.filters import InstanceFilter
from backups.admin.shared.status import status_of
from backups.admin.shared.views import page_url
from backups.models import DrillExecution
from destinations.lib.formats import human_duration, human_size


@admin.register(DrillExecution)
class DrillAdmin(RunAdmin):
    page = staticmethod(drill_page)
    related = ("execution__destination",)
    list_display = ("name", "state", "kind", "by", "began", "restored")
    list_filter = ("status", "verdict", "kind", ("instance", InstanceFilter))
    list_select_related = ("execution",)
    search_fields = ("=id", "instance", "execution__backup_filename", "triggered_by")
    search_help_text = "instance, archive, person or the whole id"
    actions = None

    def get_urls(self) -> list[URLPattern]:
        status = status_of(self.model)
        return [
            self._path("status/", status, "statuses"),
            self._path("<str:execution_id>/status/", status),
            self._path("<str:execution_id>/cancel/", cancel_drill, "cancel"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"title": "Drills and verifications"} | (extra_context or {}))

    @admin.display(description="drill of", ordering="instance")
    def name(self, run: DrillExecution) -> SafeString:
        link = format_html('<a data-field="instance" href="{}">{}</a>', page_url(run), run.instance)
        return format_html(
            '{}<small class="bs-detail" data-field="execution" title="{}">{}</small>',
            link,
            run.execution,
            run.execution,
        )

    @admin.display(description="by", ordering="triggered_by")
    def by(self, run: DrillExecution) -> str:
        return run.triggered_by

    @admin.display(description="took", ordering="seconds")
    def restored(self, run: DrillExecution) -> SafeString:
        size = human_size(run.bytes) if run.bytes is not None else ""
        return format_html(
            '<span data-field="seconds" data-value="{}">{}</span>'
            '<br><small class="bs-quiet" data-field="bytes" data-value="{}">{}</small>',
            "" if run.seconds is None else run.seconds,
            human_duration(run.seconds),
            "" if run.bytes is None else run.bytes,
            size,
        )
