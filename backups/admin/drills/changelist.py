"""The list of drills and verifications, and the URLs of everything that is about one of them."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from backups.admin.drills.detail import drill_page
from backups.admin.shared.cancel import cancel_view
from backups.admin.shared.changelist import InstanceFilter, RunAdmin
from backups.admin.shared.permissions import CANCEL_DRILL
from backups.admin.shared.views import page_url
from backups.models import DrillExecution
from destinations.lib.formats import human_duration, human_size


@admin.register(DrillExecution)
class DrillAdmin(RunAdmin):
    page = staticmethod(drill_page)
    related = ("execution__destination",)
    views = (cancel_view(CANCEL_DRILL),)
    list_display = ("name", "state", "kind", "by", "began", "restored")
    list_filter = ("status", "verdict", "kind", ("instance", InstanceFilter))
    list_select_related = ("execution",)
    search_fields = ("=id", "instance", "execution__backup_filename", "triggered_by")
    search_help_text = "Instance, archive, person or the whole id."
    actions = None

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"title": "Drills and verifications"} | (extra_context or {}))

    @admin.display(description="drill of", ordering="instance")
    def name(self, drill: DrillExecution) -> SafeString:
        link = format_html('<a data-field="instance" href="{}">{}</a>', page_url(drill), drill.instance)
        return format_html(
            '{}<small class="bs-detail" data-field="execution" title="{}">{}</small>',
            link,
            drill.execution,
            drill.execution,
        )

    @admin.display(description="by", ordering="triggered_by")
    def by(self, drill: DrillExecution) -> str:
        return drill.triggered_by

    @admin.display(description="took", ordering="seconds")
    def restored(self, drill: DrillExecution) -> SafeString:
        size = human_size(drill.bytes) if drill.bytes is not None else ""
        return format_html(
            '<span data-field="seconds" data-value="{}">{}</span>'
            '<br><small class="bs-quiet" data-field="bytes" data-value="{}">{}</small>',
            "" if drill.seconds is None else drill.seconds,
            human_duration(drill.seconds),
            "" if drill.bytes is None else drill.bytes,
            size,
        )
