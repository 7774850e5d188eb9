"""Schedules: the list, the form with a preview of the next runs, and the actions."""

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.forms.widgets import Script
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString

from backups.admin.schedules.actions import ACTIONS, PAUSE, RESUME, RUN, buttons, perform, view_of
from backups.admin.schedules.covered import InstanceFilter, part_rows, state_of, with_counts, words_of
from backups.admin.schedules.forms import SCOPE, ScheduleForm
from backups.admin.schedules.preview import describe, preview
from backups.admin.shared import formats
from backups.admin.shared.permissions import VIEW, may_run_schedules
from backups.admin.shared.progress import live, with_progress
from backups.lib import audit
from backups.models import BackupExecution, BackupSchedule
from backups.service.automation.by_hand import add, edit
from backups.service.schedules.describe import cadence_in_words, disabled_in_words, scope_in_words
from backups.service.schedules.planning import set_further
from destinations.lib.formats import NOTHING
from destinations.lib.lists import BoundedLists, NamedValues

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[BackupSchedule]
else:
    ModelAdmin = admin.ModelAdmin
CADENCE = ("type", "expression", "time_zone")
RECORD = ("next_run", "last_run", "last_status", "last_error", "consecutive_failures", "created_at", "created_by")
RECENT = 10


@admin.register(BackupSchedule)
class ScheduleAdmin(BoundedLists, ModelAdmin):
    form = ScheduleForm
    list_display = ("name", "state", "what", "cadence", "next", "last")
    list_filter = ("enabled", InstanceFilter, "destination", "type", ("last_status", NamedValues))
    list_select_related = ("destination",)
    list_per_page = 50
    search_fields = ("=id", "name", "instance", "label", "parts__instance", "destination__name")
    search_help_text = "Name, instance, label or destination."
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    actions = ("run_now", "pause", "resume")
    readonly_fields = RECORD

    class Media:
        css: ClassVar = {"all": ["backups/backups.css"]}
        js: ClassVar = [Script("backups/schedule.js", defer=True)]

    # --- permissions ----------------------------------------------------------------------------------------------
    def has_run_permission(self, request: HttpRequest) -> bool:
        return may_run_schedules(request.user)

    def has_change_permission(self, request: HttpRequest, obj: BackupSchedule | None = None) -> bool:
        return not _is_declared(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: BackupSchedule | None = None) -> bool:
        return not _is_declared(obj) and super().has_delete_permission(request, obj)

    def has_view_permission(self, request: HttpRequest, obj: BackupSchedule | None = None) -> bool:
        return super().has_view_permission(request) or super().has_change_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[BackupSchedule]:
        rows = super().get_queryset(request).filter(parent=None)
        return with_counts(rows).prefetch_related("further__destination")

    # --- list -----------------------------------------------------------------------------------------------------
    @admin.display(description="status", ordering="next_run")
    def state(self, schedule: BackupSchedule) -> SafeString:
        status, label, detail = state_of(schedule)
        badge = format_html('<span class="bs-badge" data-field="state" data-status="{}">{}</span>', status, label)
        return format_html(
            '{}<small class="bs-detail" data-field="detail" title="{}">{}</small>', badge, detail, detail
        )

    @admin.display(description="backs up", ordering="instance")
    def what(self, schedule: BackupSchedule) -> SafeString:
        return format_html(
            '<span data-field="instance">{}</span><br>to <span data-field="destination">{}</span>',
            words_of(schedule),
            ", ".join(one.name for one in schedule.destinations),
        )

    @admin.display(description="also to")
    def also_to(self, schedule: BackupSchedule) -> str:
        return ", ".join(one.name for one in schedule.destinations[1:]) or NOTHING

    @admin.display(description="cadence", ordering="type")
    def cadence(self, schedule: BackupSchedule) -> SafeString:
        words = cadence_in_words(schedule.type, schedule.expression, schedule.time_zone)
        raw = f"{schedule.type} {schedule.expression}"
        return format_html('<span data-field="cadence" data-value="{}" title="{}">{}</span>', raw, raw, words)

    @admin.display(description="next run", ordering="next_run")
    def next(self, schedule: Any) -> str:
        moment = schedule.next_run or schedule.soonest
        if moment is None:
            return NOTHING
        return format_html(
            '<span data-field="next_run" data-value="{}">{}</span><br><small class="bs-quiet">{}</small>',
            moment.isoformat(),
            formats.stamp(moment),
            formats.until(moment),
        )

    @admin.display(description="last run", ordering="last_run")
    def last(self, schedule: Any) -> str:
        if schedule.covers_several and schedule.latest:
            return format_html(
                '<span data-field="last_run" data-value="{}">{}</span>',
                schedule.latest.isoformat(),
                formats.stamp_ago(schedule.latest),
            )
        if not schedule.last_status:
            return "not yet"
        status, moment = schedule.last_status, schedule.last_run
        return format_html(
            '<span class="bs-badge" data-field="last_status" data-status="{}">{}</span>'
            '<br><span data-field="last_run" data-value="{}">{}</span>',
            status,
            status.capitalize(),
            moment.isoformat() if moment else "",
            formats.stamp_ago(moment),
        ) + format_html(
            '<small class="bs-detail bs-fault" data-field="last_error" title="{}">{}</small>'
            if schedule.last_error
            else "",
            schedule.last_error,
            schedule.last_error,
        )

    def _perform(self, request: HttpRequest, queryset: QuerySet[BackupSchedule], *, action: Any) -> None:
        perform(action, request, queryset.select_related("destination"))

    @admin.action(description="Run now", permissions=["run"])
    def run_now(self, request: HttpRequest, queryset: QuerySet[BackupSchedule]) -> None:
        self._perform(request, queryset, action=RUN)

    @admin.action(description="Pause", permissions=["run"])
    def pause(self, request: HttpRequest, queryset: QuerySet[BackupSchedule]) -> None:
        self._perform(request, queryset.filter(enabled=True), action=PAUSE)

    @admin.action(description="Resume", permissions=["run"])
    def resume(self, request: HttpRequest, queryset: QuerySet[BackupSchedule]) -> None:
        self._perform(request, queryset.filter(enabled=False), action=RESUME)

    # --- form -----------------------------------------------------------------------------------------------------
    def get_fieldsets(self, request: HttpRequest, obj: BackupSchedule | None = None) -> Any:
        scope: tuple[str, ...] = SCOPE
        if obj is not None and not self.has_change_permission(request, obj):
            scope = ("scope", *(name for name in SCOPE[1:] if getattr(obj, name)))
        fieldsets = [(None, {"fields": ("name", *scope, "destination", "also_to")}), ("When", {"fields": CADENCE})]
        if obj is None:
            return fieldsets
        # one of several instances has no slots itself
        record = RECORD if not obj.covers_several else RECORD[-2:]
        return [*fieldsets, ("Record", {"fields": record})]

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: BackupSchedule | None = None,
    ) -> HttpResponse:
        form = context["adminform"].form
        typed = {name: str(form[name].value() or "") for name in CADENCE if name in form.fields}
        cadence = typed or {name: getattr(obj, name) for name in CADENCE}
        parts = part_rows(obj, request) if obj else []
        context |= {
            "disabled": disabled_in_words(obj) if obj else "",
            "preview": describe(**cadence) if obj or form.is_bound else None,
            "editable": bool(typed),
            "buttons": buttons(obj, request.user) if obj else [],
            "parts": parts,
            "covered": sum(part.left_at is None for part, *_ in parts),
            "runs": _runs(obj) if obj and request.user.has_perm(VIEW) else None,
        }
        return super().render_change_form(request, context, add, change, form_url, obj)

    def save_model(self, request: HttpRequest, obj: BackupSchedule, form: Any, change: bool) -> None:
        by = request.user.get_username()
        if change:
            with transaction.atomic():
                edit(obj, [name for name in form.changed_data if name != "also_to"])
                set_further(obj, form.cleaned_data["also_to"])
        else:
            obj.created_by = by
            add(obj, form.cleaned_data["also_to"])
        what = "schedule.changed" if change else "schedule.created"
        audit.log(what, schedule=obj.name, instance=scope_in_words(obj), by=by)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        part = BackupSchedule.objects.filter(pk=object_id, parent__isnull=False).first() if object_id else None
        if part is not None:
            # links lead to the row with the slots
            return redirect("admin:backups_backupschedule_change", part.parent_id)
        return super().changeform_view(request, object_id, form_url, extra_context)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        name = partial("backups_backupschedule_{}".format)
        views = [path(f"<str:schedule_id>/{one.name}/", wrap(view_of(one)), name=name(one.name)) for one in ACTIONS]
        return [path("preview/", wrap(preview), name=name("preview")), *views, *super().get_urls()]


def _runs(schedule: BackupSchedule) -> list[tuple[BackupExecution, dict[str, Any]]]:
    """Return its newest runs, as the list of backups shows them."""
    rows = [schedule.pk, *schedule.parts.values_list("pk", flat=True)]
    runs = with_progress(BackupExecution.objects.filter(schedule__in=rows)).newest_first()
    return [(run, live(run)) for run in runs[:RECENT]]


def _is_declared(schedule: BackupSchedule | None) -> bool:
    return schedule is not None and bool(schedule.managed_by)
