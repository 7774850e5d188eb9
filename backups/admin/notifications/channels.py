"""Channels of notifications in the admin: a typed form a kind, and a button that sends a test."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from backups.admin.notifications.forms import form_class, sets_of
from backups.admin.shared import formats
from backups.admin.shared.views import actor
from backups.lib import audit
from backups.models import Delivery, NotificationChannel
from backups.notifications.channels import KINDS, Channel, open_channel
from backups.notifications.deliveries import send_test
from backups.notifications.messages import introduce
from destinations.admin.methods import wrong_method
from destinations.exceptions import DestinationConfigError
from destinations.lib.lists import BoundedLists

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[NotificationChannel]
else:
    ModelAdmin = admin.ModelAdmin
Scope = NotificationChannel.Scope
# on the page of a channel
SHOWN = 10


@dataclass(frozen=True, slots=True)
class KindChoice:
    """A kind on the page where one is chosen."""

    name: str
    label: str


@admin.register(NotificationChannel)
class NotificationChannelAdmin(BoundedLists, ModelAdmin):
    list_display = ("name", "state", "kind", "scope_text", "sent", "proven", "created_by")
    list_filter = ("kind", "enabled")
    search_fields = ("=id", "name")
    ordering = ("name",)
    actions = None
    readonly_fields = ("kind", "recipient", "created_at", "created_by")
    show_facets = admin.ShowFacets.NEVER

    class Media:
        css: ClassVar = {"all": ["backups/backups.css"]}

    # --- permissions ----------------------------------------------------------------------------------------------
    def has_view_permission(self, request: HttpRequest, obj: NotificationChannel | None = None) -> bool:
        return super().has_view_permission(request) or super().has_change_permission(request)

    def has_test_permission(self, request: HttpRequest) -> bool:
        allowed = request.user.has_perm("backups.test_notificationchannel")
        return allowed and self.has_view_permission(request)

    # --- list -----------------------------------------------------------------------------------------------------
    @admin.display(description="state", ordering="enabled")
    def state(self, channel: NotificationChannel) -> SafeString:
        if not channel.enabled:
            status, label, detail = "paused", "Disabled", ""
        elif channel.failures:
            status, label, detail = "failing", "Failing", channel.last_error
        else:
            status, label, detail = "safe", "Enabled", ""
        return format_html(
            '<span class="bs-badge" data-field="state" data-status="{}">{}</span>'
            '<small class="bs-detail bs-fault" data-field="last_error" title="{}">{}</small>',
            status, label, detail, detail,
        )  # fmt: skip

    @admin.display(description="is for")
    def scope_text(self, channel: NotificationChannel) -> str:
        if channel.scope == Scope.SITE:
            return channel.get_scope_display()
        names = channel.instances if channel.scope == Scope.INSTANCES else [str(one) for one in channel.schedules.all()]
        # its schedules may have been deleted since
        return ", ".join(names) or "nothing any more: choose what it is for"

    @admin.display(description="last sent", ordering="last_sent_at")
    def sent(self, channel: NotificationChannel) -> str:
        return formats.stamp_ago(channel.last_sent_at) if channel.last_sent_at else "never"

    @admin.display(description="Recipient")
    def recipient(self, channel: NotificationChannel) -> str:
        try:
            return open_channel(channel).recipient()
        except DestinationConfigError as error:
            return error.text

    @admin.display(description="last proven", ordering="proven_at")
    def proven(self, channel: NotificationChannel) -> SafeString:
        said = formats.stamp_ago(channel.proven_at) if channel.proven_at else "never"
        return format_html('<a href="{}" data-field="proven">{}</a>', reverse("admin:backups_test_alarms"), said)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("schedules")

    # --- form -----------------------------------------------------------------------------------------------------
    def _kind(self, request: HttpRequest, channel: NotificationChannel | None) -> type[Channel] | None:
        return KINDS.get(channel.kind if channel is not None else request.GET.get("kind", ""))

    def get_form(
        self, request: HttpRequest, obj: NotificationChannel | None = None, change: bool = False, **kwargs: Any
    ) -> "type[ModelForm[NotificationChannel]]":
        kind = self._kind(request, obj)
        if kind is None:
            return super().get_form(request, obj, change, **kwargs)
        return super().get_form(request, obj, change, form=form_class(kind), **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: NotificationChannel | None = None) -> Any:
        kind = self._kind(request, obj)
        if kind is None:
            return [(None, {"fields": ("name",)})]
        sets = sets_of(kind)
        if obj is None:
            return sets
        if not self.has_change_permission(request, obj):
            # options and events are no columns of the row
            sets = [(title, one) for title, one in sets if title not in (kind.label, "Events")]
        return [*sets, ("Record", {"fields": self.readonly_fields})]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if self._kind(request, None) is not None:
            return super().add_view(request, form_url, extra_context)
        if not self.has_add_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Add notification channel",
            "kinds": [KindChoice(kind.value, kind.label) for kind in NotificationChannel.Kind],
        }
        return TemplateResponse(request, "admin/backups/notificationchannel/choose_kind.html", context)

    def save_model(self, request: HttpRequest, obj: NotificationChannel, form: Any, change: bool) -> None:
        by = request.user.get_username()
        if not change:
            obj.created_by = by
        super().save_model(request, obj, form, change)
        obj.schedules.set(form.cleaned_data.get("schedules", []))
        if obj.enabled and (not change or "enabled" in form.changed_data):
            introduce(obj, timezone.now())
        audit.log(f"channel.{'changed' if change else 'created'}", channel=obj.name, kind=obj.kind, by=by)

    def delete_model(self, request: HttpRequest, obj: NotificationChannel) -> None:
        super().delete_model(request, obj)
        audit.log("channel.deleted", channel=obj.name, kind=obj.kind, by=request.user.get_username())

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        # its deliveries go with it, and need no permission of their own
        return [str(obj) for obj in objs], {}, set(), []

    # --- test -----------------------------------------------------------------------------------------------------
    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.test_view)
        return [path("<path:object_id>/test/", view, name="backups_notificationchannel_test"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"show_test": self.has_test_permission(request), **(extra_context or {})}
        if (channel := self.get_object(request, unquote(object_id))) is not None:
            context["deliveries"] = Delivery.objects.filter(channel=channel)[:SHOWN]
        return super().change_view(request, object_id, form_url, context)

    def test_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if request.method != "POST":
            return wrong_method(request, ("POST",), "admin:backups_notificationchannel_change", object_id)
        if not self.has_test_permission(request):
            raise PermissionDenied
        channel = self.get_object(request, unquote(object_id))
        if channel is None:
            self.message_user(request, "That channel does not exist any more.", messages.WARNING)
            return redirect("admin:backups_notificationchannel_changelist")
        delivery = send_test(channel, by=actor(request))
        if delivery.state == Delivery.State.SENT:
            self.message_user(request, f"The test was sent: {delivery.answer}.", messages.SUCCESS)
        else:
            text = f"The test was not sent. {delivery.error} {delivery.error_hint}"
            self.message_user(request, text, messages.ERROR)
        audit.note(actor(request), channel, f"Sent a test: {delivery.state}.")
        return redirect("admin:backups_notificationchannel_change", channel.pk)
