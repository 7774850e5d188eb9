"""The list of backups, and the URLs of everything that is about one of them. All rows are read-only."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString

from backups.admin.backups.accept_loss import accept_loss
from backups.admin.backups.confirm_drop import confirm_drop
from backups.admin.backups.copy import copy
from backups.admin.backups.delete import delete_archive
from backups.admin.backups.detail import backup_page
from backups.admin.backups.download import download, download_signature
from backups.admin.backups.drill import drill, verify
from backups.admin.backups.filters import ArchiveFilter, DestinationFilter, DrillFilter, EncryptionFilter, PinFilter
from backups.admin.backups.give_up import give_up_copy
from backups.admin.backups.import_file import import_archive
from backups.admin.backups.pin import pin, unpin
from backups.admin.backups.start import again, start, start_again
from backups.admin.shared.cancel import cancel_view
from backups.admin.shared.changelist import InstanceFilter, RunAdmin
from backups.admin.shared.permissions import CANCEL, may
from backups.admin.shared.views import page_url
from backups.models import BackupExecution
from backups.service.monitoring.restore_points import MOST_COUNTED, count_restore_points
from destinations.lib.formats import human_duration, human_size


@admin.register(BackupExecution)
class BackupAdmin(RunAdmin):
    page = staticmethod(backup_page)
    related = ("destination",)
    # of an imported archive, long before its row was created
    began_label = "data of"
    views = (
        cancel_view(CANCEL),
        download,
        download_signature,
        verify,
        drill,
        copy,
        again,
        pin,
        unpin,
        confirm_drop,
        delete_archive,
        accept_loss,
        give_up_copy,
    )
    list_display = ("name", "state", "kind", "destination", "began", "size")
    list_filter = (
        "status", ("instance", InstanceFilter), DestinationFilter, "kind", ArchiveFilter, DrillFilter, EncryptionFilter,
        PinFilter,
    )  # fmt: skip
    # the others have few values, which are filters
    sortable_by = ("name", "began", "size")
    list_select_related = ("destination",)
    search_fields = ("id__exact", "instance", "backup_filename", "comment")
    search_help_text = "Instance, file name, comment or the whole id."
    actions = ("back_up_again",)

    def has_run_permission(self, request: HttpRequest) -> bool:
        return may(request.user, "run_backup")

    def get_urls(self) -> list[URLPattern]:
        return [self._path("start/", start), self._path("import/", import_archive), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {
            "title": "Backups",
            "has_run_permission": self.has_run_permission(request),
            "has_import_permission": may(request.user, "import_backup"),
            # of the instance alone: with more conditions SQLite reads the whole history
            "restore_points": count_restore_points(request.GET.get("instance", "")),
            "most_counted": MOST_COUNTED,
        }
        return super().changelist_view(request, context | (extra_context or {}))

    @admin.action(description="Back up again", permissions=["run"])
    def back_up_again(self, request: HttpRequest, queryset: QuerySet[BackupExecution]) -> None:
        start_again(request, queryset)

    @admin.display(description="backup", ordering="instance")
    def name(self, backup: BackupExecution) -> SafeString:
        link = format_html(
            '<a data-field="instance" href="{}" title="{}">{}</a>',
            page_url(backup),
            backup.backup_filename,
            backup.instance,
        )
        comment = '{}<small class="bs-detail" data-field="comment" title="{}">{}</small>'
        return format_html(comment, link, backup.comment, backup.comment)

    @admin.display(description="size", ordering="compressed_size_bytes")
    def size(self, backup: BackupExecution) -> SafeString:
        size = backup.compressed_size_bytes
        return format_html(
            '<span data-field="compressed_size_bytes" data-value="{}">{}</span>'
            '<br><small class="bs-quiet" data-field="duration">{}</small>',
            "" if size is None else size,
            human_size(size),
            human_duration(backup.duration) if backup.duration else "",
        )
