"""Destinations in the admin: a typed form per type, and a button that tests the connection."""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString

from destinations.admin.forms import OPTION, form_class
from destinations.admin.methods import wrong_method
from destinations.admin.moments import stamp_ago
from destinations.backends import TYPES, Destination
from destinations.exceptions import DestinationError, DestinationInUse
from destinations.lib.formats import counted, human_duration
from destinations.lib.lists import BoundedLists, NamedValues
from destinations.models import BackupDestination
from destinations.policies.retention_fields import RETENTION_COLUMNS
from destinations.providers import warnings_about

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[BackupDestination]
else:
    _ModelAdmin = admin.ModelAdmin

logger = logging.getLogger(__name__)

# of the health history, on the page of a destination
SHOWN_TESTS = 10


@dataclass(frozen=True)
class TypeChoice:
    """A type on the page where one is chosen; `note` says which package it lacks here."""

    name: str
    label: str
    note: str
    hint: str

    @classmethod
    def of(cls, backend: type[Destination]) -> Self:
        extra = backend.extra
        return cls(backend.type, backend.label, extra.note if extra else "", extra.hint if extra else "")


@admin.register(BackupDestination)
class BackupDestinationAdmin(BoundedLists, _ModelAdmin):
    list_display = ("name", "state", "type_badge", "last_backup", "retention", "created_by")
    list_filter = ("type", "enabled", ("last_backup_status", NamedValues))
    search_fields = ("=id", "name", "created_by")
    ordering = ("name",)
    actions = None
    readonly_fields = ("type", "location", "last_backup", "created_at", "created_by")
    show_facets = admin.ShowFacets.NEVER

    class Media:
        css = {"all": ("destinations/destinations.css",)}  # noqa: RUF012

    # --- permissions ----------------------------------------------------------------------------------------------
    def has_view_permission(self, request: HttpRequest, obj: BackupDestination | None = None) -> bool:
        return super().has_view_permission(request) or super().has_change_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: BackupDestination | None = None) -> bool:
        return not _is_declared(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: BackupDestination | None = None) -> bool:
        return not _is_declared(obj) and super().has_delete_permission(request, obj)

    # --- list -----------------------------------------------------------------------------------------------------
    @admin.display(description="State", ordering="enabled")
    def state(self, destination: BackupDestination) -> SafeString:
        if destination.enabled:
            return _badge("state", "enabled", "enabled", "good")
        return _badge("state", "disabled", "disabled", "off")

    @admin.display(description="Type", ordering="type")
    def type_badge(self, destination: BackupDestination) -> SafeString:
        return _badge("type", destination.type, destination.get_type_display(), "plain")

    @admin.display(description="Last backup", ordering="last_backup_at")
    def last_backup(self, destination: BackupDestination) -> str:
        at = destination.last_backup_at
        if at is None:
            return "never"
        status = destination.last_backup_status
        return format_html(
            '<span data-field="last_backup_at" data-value="{}">{}</span> {}',
            at.isoformat(),
            stamp_ago(at),
            _badge("last_backup_status", status, status, "good" if status == "completed" else "bad"),
        )

    @admin.display(description="Keeps", ordering="retention_days")
    def retention(self, destination: BackupDestination) -> str:
        return destination.rule_text.replace(" ", "\xa0")

    @admin.display(description="Location")
    def location(self, destination: BackupDestination) -> str:
        return destination.location_text

    # --- form -----------------------------------------------------------------------------------------------------
    def _backend(self, request: HttpRequest, destination: BackupDestination | None) -> type[Destination] | None:
        if destination is not None:
            return TYPES.get(destination.type)
        only = next(iter(TYPES)) if len(TYPES) == 1 else ""
        return TYPES.get(request.GET.get("type", only))

    def get_form(
        self, request: HttpRequest, obj: BackupDestination | None = None, change: bool = False, **kwargs: Any
    ) -> "type[ModelForm[BackupDestination]]":
        form = form_class(self._backend(request, obj), request.user.get_username())
        return super().get_form(request, obj, change, form=form, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: BackupDestination | None = None) -> Any:
        sets: list[Any] = [(None, {"fields": ("name", "enabled", "encryption", "position", "daily_read_mb")})]
        backend = self._backend(request, obj)
        if backend is not None and (obj is None or self.has_change_permission(request, obj)):
            sets.append((backend.label, {"fields": tuple(OPTION + option for option in backend.fields())}))
        sets.append(("Retention", {"fields": RETENTION_COLUMNS}))
        return sets if obj is None else [*sets, ("Record", {"fields": self.readonly_fields})]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if self._backend(request, None) is not None:
            return super().add_view(request, form_url, extra_context)
        if not self.has_add_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Add backup destination",
            "types": [TypeChoice.of(backend) for backend in TYPES.values()],
            "media": self.media,
        }
        return TemplateResponse(request, "admin/destinations/backupdestination/choose_type.html", context)

    def save_model(self, request: HttpRequest, obj: BackupDestination, form: Any, change: bool) -> None:
        user = request.user.get_username()
        if not change:
            obj.created_by = user
        super().save_model(request, obj, form, change)
        if form.passed_test is not None:
            form.passed_test.destination = obj
            form.passed_test.save()
        for warning in warnings_about(obj):
            self.message_user(request, warning, messages.WARNING)
        logger.info("destination %s name=%s user=%s", "changed" if change else "created", obj.name, user)

    # --- delete ---------------------------------------------------------------------------------------------------
    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        destination = self.get_object(request, unquote(object_id))
        if destination is not None and self.has_delete_permission(request, destination):
            try:
                # for the page that asks too; the deletion looks again under a lock
                destination.require_unused()
                return super().delete_view(request, object_id, extra_context)
            except DestinationInUse as error:
                self.message_user(request, error.text, messages.ERROR)
                return redirect("admin:destinations_backupdestination_change", destination.pk)
        return super().delete_view(request, object_id, extra_context)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        # the history of its backups keeps the row, which is hidden from then on
        return [str(obj) for obj in objs], {}, set(), []

    def delete_model(self, request: HttpRequest, obj: BackupDestination) -> None:
        obj.remove()
        logger.info("destination deleted name=%s user=%s", obj.name, request.user.get_username())

    # --- test -----------------------------------------------------------------------------------------------------
    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.test_view)
        return [path("<path:object_id>/test/", view, name="destinations_backupdestination_test"), *super().get_urls()]

    def has_test_permission(self, request: HttpRequest, obj: BackupDestination | None = None) -> bool:
        return self.has_view_permission(request, obj) and request.user.has_perm("destinations.test_backupdestination")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"show_test": self.has_test_permission(request), **(extra_context or {})}
        if (destination := self.get_object(request, unquote(object_id))) is not None:
            context["warnings_about"] = warnings_about(destination)
            context["tests"] = destination.tests.all()[:SHOWN_TESTS]
        return super().change_view(request, object_id, form_url, context)

    def test_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if request.method != "POST":
            return wrong_method(request, ("POST",), "admin:destinations_backupdestination_change", object_id)
        if not self.has_test_permission(request):
            raise PermissionDenied
        destination = self.get_object(request, unquote(object_id))
        if destination is None:
            self.message_user(request, "That destination does not exist any more.", messages.WARNING)
            return redirect("admin:destinations_backupdestination_changelist")
        try:
            result = destination.test(user=request.user.get_username())
        except DestinationError as error:
            self.message_user(request, f"The test failed. {error.text}", messages.ERROR)
            self.log_change(request, destination, f"Tested the connection: failed. {error.message}")
        else:
            took = f"{counted(len(result.steps), 'step')} in {human_duration(result.seconds)}"
            self.message_user(request, f"The connection works: {took}, listed below.", messages.SUCCESS)
            self.log_change(request, destination, "Tested the connection: it works.")
        return redirect("admin:destinations_backupdestination_change", destination.pk)


def _is_declared(destination: BackupDestination | None) -> bool:
    return destination is not None and bool(destination.managed_by)


def _badge(field: str, status: str, text: str, tone: str) -> SafeString:
    badge = '<span class="bs-badge bs-{}" data-field="{}" data-status="{}">{}</span>'
    return format_html(badge, tone, field, status, text)
