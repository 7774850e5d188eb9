"""The list of executions, and the URLs of everything that is about one of them. All rows are read-only."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString

from backups.admin.backups.confirm_drop import confirm_drop
from backups.admin.backups.delete import delete_archive
from backups.admin.backups.detail import execution_page
from backups.admin.backups.download import download
from backups.admin.backups.drill import drill, verify
from backups.admin.backups.import_file import import_archive
from backups.admin.backups.pin import pin, unpin
from backups.admin.backups.start import again, start, start_again
from backups.admin.destinations.catalogue import catalogue
from backups.admin.destinations.retention import confirm_rule, prune, retention
from backups.admin.overview.instance import instance
from backups.admin.overview.keys import keys
from backups.admin.restores.entries import restore_entries
from backups.admin.restores.start import restore
from backups.admin.shared.cancel import cancel
from backups.admin.shared.changelist import RunAdmin
from backups.admin.shared.filters import InstanceFilter
from backups.admin.shared.permissions import may
from backups.admin.shared.status import status_of
from backups.admin.shared.views import page_url
from backups.models import BackupExecution
from destinations.lib.formats import human_duration, human_size


@admin.register(BackupExecution)
class ExecutionAdmin(RunAdmin):
    page = staticmethod(execution_page)
    related = ("destination",)
    list_display = ("name", "state", "kind", "destination", "began", "size")
    list_filter = ("status", ("instance", InstanceFilter), "destination", "kind")
    # the others have few values, which are filters
    sortable_by = ("name", "began", "size")
    list_select_related = ("destination",)
    search_fields = ("id__exact", "instance", "backup_filename", "comment")
    search_help_text = "instance, file name, comment or the whole id"
    actions = ("back_up_again",)

    def has_run_permission(self, request: HttpRequest) -> bool:
        return may(request.user, "run_backup")

    def get_urls(self) -> list[URLPattern]:
        views = (
            restore,
            restore_entries,
            cancel,
            download,
            verify,
            drill,
            again,
            pin,
            unpin,
            confirm_drop,
            delete_archive,
        )
        status = status_of(self.model)
        return [
            self._path("start/", start),
            self._path("import/", import_archive),
            self._path("keys/", keys),
            self._path("instance/<str:instance>/", instance),
            *(
                self._path(f"{view.__name__}/<str:destination_id>/", view)
                for view in (retention, prune, confirm_rule, catalogue)
            ),
            self._path("status/", status, "statuses"),
            self._path("<str:execution_id>/status/", status),
            *(self._path(f"<str:execution_id>/{view.__name__}/", view) for view in views),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {
            "title": "Backups",
            "has_run_permission": self.has_run_permission(request),
            "has_import_permission": may(request.user, "import_backup"),
        }
        return super().changelist_view(request, context | (extra_context or {}))

    @admin.action(description="Back up again", permissions=["run"])
    def back_up_again(self, request: HttpRequest, queryset: QuerySet[BackupExecution]) -> None:
        start_again(request, queryset)

    @admin.display(description="backup", ordering="instance")
    def name(self, execution: BackupExecution) -> SafeString:
        link = format_html(
            '<a data-field="instance" href="{}" title="{}">{}</a>',
            page_url(execution),
            execution.backup_filename,
            execution.instance,
        )
        comment = '{}<small class="bs-detail" data-field="comment" title="{}">{}</small>'
        return format_html(comment, link, execution.comment, execution.comment)

    @admin.display(description="size", ordering="compressed_size_bytes")
    def size(self, execution: BackupExecution) -> SafeString:
        size = human_size(execution.compressed_size_bytes)
        took = human_duration(execution.duration) if execution.duration else ""
        value = "" if execution.compressed_size_bytes is None else execution.compressed_size_bytes
        return format_html(
            '<span data-field="compressed_size_bytes" data-value="{}">{}</span>'
            '<br><small class="bs-quiet" data-field="duration">{}</small>',
            value,
            size,
            took,
        )
