"""The list of restores, and the URLs of everything that is about one of them."""

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from backups.admin.restores.acknowledge import acknowledge
from backups.admin.restores.detail import restore_page
from backups.admin.restores.entries import undo_entries
from backups.admin.restores.undo import undo
from backups.admin.shared.cancel import cancel_view
from backups.admin.shared.changelist import InstanceFilter, RunAdmin
from backups.admin.shared.permissions import CANCEL_RESTORE
from backups.admin.shared.views import page_url
from backups.models import BackupExecution, RestoreExecution
from backups.models.querysets import RunQuerySet
from destinations.lib.formats import human_duration


@admin.register(RestoreExecution)
class RestoreAdmin(RunAdmin):
    page = staticmethod(restore_page)
    related = ("execution__destination", "safety_backup__destination")
    views = (cancel_view(CANCEL_RESTORE), undo, undo_entries, acknowledge)
    list_display = ("name", "state", "archive", "by", "began", "took")
    list_filter = ("status", ("instance", InstanceFilter))
    list_select_related = ("execution",)
    search_fields = ("id__exact", "instance", "backup_filename", "archive_file", "triggered_by")
    search_help_text = "Instance, archive, person or the whole id."
    actions = None

    def get_queryset(self, request: HttpRequest) -> RunQuerySet[RestoreExecution]:
        # a subquery for each restore: with a join, a search would read the whole history of backups
        backups = BackupExecution.objects.filter(pk=OuterRef("execution"))
        restores: RunQuerySet[RestoreExecution] = super().get_queryset(request)
        return restores.alias(backup_filename=Subquery(backups.values("backup_filename")))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"title": "Restores"} | (extra_context or {}))

    @admin.display(description="restore", ordering="instance")
    def name(self, restore: RestoreExecution) -> SafeString:
        link = format_html('<a data-field="instance" href="{}">{}</a>', page_url(restore), restore.instance)
        what = "undo" if restore.undo_of_id else ", ".join(restore.components) or "everything"
        return format_html('{}<small class="bs-detail" data-field="components" title="{}">{}</small>', link, what, what)

    @admin.display(description="from", ordering="execution__backup_filename")
    def archive(self, restore: RestoreExecution) -> SafeString:
        name = str(restore.execution or restore.archive_file)
        return format_html('<span class="bs-detail" data-field="archive" title="{}">{}</span>', name, name)

    @admin.display(description="by", ordering="triggered_by")
    def by(self, restore: RestoreExecution) -> str:
        return restore.triggered_by

    @admin.display(description="took")
    def took(self, restore: RestoreExecution) -> str:
        return human_duration(restore.duration)
