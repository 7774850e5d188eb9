"""What the lists of runs have in common: read-only rows, live progress, speed with hundreds of thousands of rows."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.forms.widgets import Script
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString

from backups.admin.shared import formats
from backups.admin.shared.permissions import sees
from backups.admin.shared.progress import live, with_progress
from backups.admin.shared.status import log_of_run, status_of
from backups.models import Run
from backups.models.querysets import RunQuerySet
from backups.service.monitoring.history import instances_of
from destinations.lib.lists import BoundedList, BoundedLists

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    AnyPaginator = Paginator[Any]
    AnyPage = Page[Any]
else:
    ModelAdmin, AnyPaginator, AnyPage = admin.ModelAdmin, Paginator, Page
DATE_HIERARCHY_ROWS = 50_000
# with 500,000 rows "backup" matches every one of them, and no person reads so many pages
MOST_LISTED = 500
# the list is sorted by the moment that it shows; another one is shown beside it when it differs by so much
WORTH_TELLING = timedelta(minutes=1)
# a frequent word is searched among so many newest rows
RECENT = 10_000
# all matches of a rare word are read and sorted: ordered by date, the query would walk the whole index
RARE = 5_000


class InstanceFilter(admin.AllValuesFieldListFilter):
    """Every instance that has a run, whether instances.toml still describes it or not."""

    def __init__(self, field: Any, request: Any, params: Any, model: Any, model_admin: Any, field_path: str) -> None:
        super().__init__(field, request, params, model, model_admin, field_path)
        self.lookup_choices: Any = instances_of(model)


class RunPaginator(AnyPaginator):
    """Finds the ids of a page in an index, from the nearer end of the list, in either order."""

    object_list: QuerySet[Any]

    def page(self, number: int | str) -> AnyPage:
        number = self.validate_number(number)
        rows, first = self.object_list, (number - 1) * self.per_page
        last = min(first + self.per_page, self.count)
        ids = rows.reverse()[self.count - last : self.count - first] if first > self.count // 2 else rows[first:last]
        return Page(ids, number, self)


class RunList(BoundedList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        found: QuerySet[Any] = self.result_list
        if not found.query.is_sliced:
            # all of few rows: to have them in their order, SQLite would walk the whole index of it
            found = found.order_by() if self.result_count else found.none()
        # without the conditions, which would be looked at twice
        rows = self.root_queryset.filter(pk__in=found.values("pk")).order_by(*self.queryset.query.order_by)
        self.result_list = self.apply_select_related(rows)
        # SQLite finds its dates by calling a Python function for every row: seconds on a long history
        if self.result_count > DATE_HIERARCHY_ROWS:
            self.date_hierarchy = None
        if self.query and self.result_count == MOST_LISTED and request.method == "GET":
            text = f"At most the newest {MOST_LISTED} that match are listed. Add a word or a filter to find older ones."
            messages.warning(request, text)


class RunAdmin(BoundedLists, ModelAdmin):
    """`page` is the page of one run, `related` the rows that it needs besides, `views` those of its actions."""

    page: ClassVar["staticmethod[[HttpRequest, Any], HttpResponse]"]
    related: ClassVar[tuple[str, ...]] = ()
    views: ClassVar[tuple[Any, ...]]
    # what the moment is at which it began
    began_label: ClassVar[str] = "started"
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
        if not search_term.strip() or found.query.is_empty():
            return found, duplicates
        pairs = _newest(found)
        if not pairs:
            return queryset.none(), duplicates
        # the ids alone suffice; the dates tell the database which part of the index to search
        dates = (pairs[-1][0], pairs[0][0])
        return queryset.filter(pk__in=[pk for _, pk in pairs], created_at__range=dates), duplicates

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RunList

    def get_urls(self) -> list[URLPattern]:
        status = status_of(self.model)
        return [
            self._path("status/", status, "statuses"),
            self._path("<str:run_id>/status/", status),
            self._path("<str:run_id>/log/", log_of_run(self.model)),
            *(self._path(f"<str:run_id>/{view.__name__}/", view) for view in self.views),
            *super().get_urls(),
        ]

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
        return render_to_string("admin/backups/run/status.html", {"live": live(run)})

    @admin.display(description="created", ordering="created_at")
    def began(self, run: Run) -> SafeString:
        moment = run.created_at
        began = run.started_at
        waited = began is not None and abs(began - moment) >= WORTH_TELLING
        return format_html(
            '<span data-field="created_at" data-value="{}">{}</span><br><small class="bs-quiet">{}{}</small>',
            moment.isoformat(),
            formats.stamp(moment),
            format_html("{} {}<br>", self.began_label, formats.stamp(began)) if waited else "",
            formats.age(moment),
        )


def _newest(found: QuerySet[Any]) -> list[tuple[datetime, str]]:
    """Return date and id of the newest `MOST_LISTED` of `found`, newest first, without reading all of the history."""
    newest = found.order_by("-created_at", "-pk").values_list("created_at", "pk")
    moments = found.model._default_manager.order_by("-created_at").values_list("created_at", flat=True)
    if edge := moments[RECENT : RECENT + 1].first():
        recent = list(newest.filter(created_at__gte=edge)[:MOST_LISTED])
        if len(recent) == MOST_LISTED:
            return recent
        some = list(newest.order_by()[: RARE + 1])
        if len(some) <= RARE:
            return sorted(some, reverse=True)[:MOST_LISTED]
    return list(newest[:MOST_LISTED])
