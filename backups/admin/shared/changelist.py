"""What the lists of runs have in common: all rows are read-only, those that run are shown live."""

from typing import TYPE_CHECKING, Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.forms.widgets import Script
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString

from backups.admin.shared import formats
from backups.admin.shared.paging import RunPaginator
from backups.admin.shared.permissions import sees
from backups.admin.shared.progress import live, with_progress
from backups.admin.shared.search import MOST_LISTED, newest_of
from backups.models import Run
from backups.models.querysets import RunQuerySet

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin
DATE_HIERARCHY_ROWS = 50_000


class RunList(ChangeList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        # its dates are found by a Python function for every row: seconds on a long history
        if self.result_count > DATE_HIERARCHY_ROWS:
            self.date_hierarchy = None
        if self.query and self.result_count == MOST_LISTED and request.method == "GET":
            text = f"At most the newest {MOST_LISTED} that match are listed. Add a word or a filter to find older ones."
            messages.warning(request, text)


class RunAdmin(ModelAdmin):
    """`page` is the page of one run, `related` the rows that it needs besides."""

    page: ClassVar["staticmethod[[HttpRequest, Any], HttpResponse]"]
    related: ClassVar[tuple[str, ...]] = ()
    list_display_links = None
    list_per_page = 50
    paginator = RunPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    date_hierarchy = "created_at"

    class Media:
        css: ClassVar = {"all": ["backups/backups.css"]}
        js: ClassVar = [Script("backups/live.js", defer=True)]

    def has_view_permission(self, request: HttpRequest, obj: Run | None = None) -> bool:
        return sees(request.user, self.model)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Run | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Run | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> RunQuerySet[Any]:
        return with_progress(cast("RunQuerySet[Any]", super().get_queryset(request)))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        found, duplicates = super().get_search_results(request, queryset, search_term)
        if not search_term.strip():
            return found, duplicates
        return newest_of(queryset, found), duplicates

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RunList

    def _path(self, route: str, view: Any, name: str = "") -> URLPattern:
        wrapped = self.admin_site.admin_view(view)
        pattern: URLPattern = path(route, wrapped, name=f"backups_{self.opts.model_name}_{name or view.__name__}")
        return pattern

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        runs = with_progress(self.model.objects.select_related(*self.related)).defer(None)
        run = runs.filter(pk=object_id).first()
        if run is None:
            messages.warning(request, f"There is no {self.opts.verbose_name} with the id “{object_id}”.")
            return redirect(f"admin:backups_{self.opts.model_name}_changelist")
        return type(self).page(request, run)

    @admin.display(description="status", ordering="status")
    def state(self, run: Run) -> str:
        return render_to_string("admin/backups/status.html", {"live": live(run)})

    @admin.display(description="started", ordering="created_at")
    def began(self, run: Run) -> SafeString:
        moment = run.started_at or run.created_at
        return format_html(
            '<span data-field="started_at" data-value="{}" title="{}">{}</span>',
            moment.isoformat(),
            formats.exact(moment),
            formats.age(moment),
        )
