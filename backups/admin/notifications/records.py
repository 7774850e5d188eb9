"""The lists of notices, which can be acknowledged, and of deliveries."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin, messages
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from backups.admin.shared import formats
from backups.admin.shared.changelist import InstanceFilter
from backups.admin.shared.views import actor
from backups.errors import BackupError
from backups.models import Delivery, Notice
from backups.models.notice import MOMENTARY, OPEN
from backups.notifications.events import EVENTS
from backups.notifications.items import message_of
from backups.notifications.notices import acknowledge
from destinations.admin.methods import wrong_method
from destinations.lib.lists import BoundedLists

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin
TONES = {"alarm": "failed", "warning": "late", "information": "queued"}
STATES = {"sent": "completed", "waiting": "queued", "given up": "failed"}


def may_acknowledge(user: User | AnonymousUser) -> bool:
    return user.is_staff and user.has_perms(["backups.view_notice", "backups.acknowledge_notice"])


class OpenFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Open"), ("unacknowledged", "Open, not acknowledged"), ("over", "Over")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "open":
                return queryset.filter(OPEN, ~MOMENTARY)
            case "unacknowledged":
                return queryset.filter(OPEN, ~MOMENTARY, acknowledged_at=None)
            case "over":
                return queryset.exclude(ended_at=None)
        return queryset


class EventFilter(admin.SimpleListFilter):
    """Every event that there is: which of them have a notice is read from all notices, and no index has that."""

    title = parameter_name = "event"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(event.code, event.label) for event in EVENTS.values()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(event=self.value()) if self.value() is not None else queryset


class ReadOnly(BoundedLists, ModelAdmin):
    list_display_links = None
    list_per_page = 50
    actions = None
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    class Media:
        css: ClassVar = {"all": ["backups/backups.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Notice)
class NoticeAdmin(ReadOnly):
    list_display = ("what", "about", "words", "began", "state")
    list_filter = (OpenFilter, "level", EventFilter, ("instance", InstanceFilter))
    search_fields = ("=id", "instance", "text", "subject")

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        return (*self.list_display, "button") if may_acknowledge(request.user) else self.list_display

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.acknowledge_view)
        return [path("<str:notice_id>/acknowledge/", view, name="backups_notice_acknowledge"), *super().get_urls()]

    def acknowledge_view(self, request: HttpRequest, notice_id: str) -> HttpResponse:
        if request.method != "POST":
            return wrong_method(request, ("POST",), "admin:backups_notice_changelist")
        if not may_acknowledge(request.user):
            raise PermissionDenied
        notice = get_object_or_404(Notice, pk=notice_id)
        try:
            acknowledge(notice, by=actor(request))
        except BackupError as error:
            messages.error(request, error.text)
        else:
            messages.success(request, "Acknowledged: it is not sent again until it is over.")
        return redirect("admin:backups_notice_changelist")

    @admin.display(description="event", ordering="event")
    def what(self, notice: Notice) -> SafeString:
        event = EVENTS.get(notice.event)
        return format_html(
            '<span class="bs-badge" data-field="level" data-status="{}">{}</span> {}',
            TONES[notice.level], notice.get_level_display(), event.label if event else notice.event,
        )  # fmt: skip

    @admin.display(description="about", ordering="instance")
    def about(self, notice: Notice) -> str:
        if not notice.instance:
            return notice.subject or "this site"
        address = reverse("admin:backups_instance", args=[notice.instance])
        return format_html('<a href="{}" data-field="instance">{}</a>', address, notice.instance)

    @admin.display(description="what happened")
    def words(self, notice: Notice) -> SafeString:
        return format_html('<span data-field="text">{}</span><br><small>{}</small>', notice.text, notice.hint)

    @admin.display(description="since", ordering="opened_at")
    def began(self, notice: Notice) -> SafeString:
        return formats.stamp_ago(notice.since)

    @admin.display(description="state", ordering="ended_at")
    def state(self, notice: Notice) -> SafeString:
        if notice.momentary:
            return format_html('<span data-field="state" data-value="{}">{}</span>', "happened", "happened")
        if notice.ended_at is not None:
            text = format_html("over since {}", formats.stamp(notice.ended_at))
            return format_html('<span data-field="state" data-value="over">{}</span>', text)
        known = f"acknowledged by {notice.acknowledged_by}" if notice.acknowledged_at else "open"
        value = "acknowledged" if notice.acknowledged_at else "open"
        return format_html('<span data-field="state" data-value="{}">{}</span>', value, known)

    @admin.display(description="")
    def button(self, notice: Notice) -> str:
        if not notice.is_open or notice.acknowledged_at is not None:
            return ""
        return render_to_string("admin/backups/notice/acknowledge.html", {"notice": notice})


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly):
    list_display = ("made", "channel", "kind", "state_badge", "tries", "words", "result")
    list_filter = ("state", "kind", "channel")
    list_select_related = ("channel",)
    search_fields = ("=id", "channel__name")

    @admin.display(description="queued", ordering="created_at")
    def made(self, delivery: Delivery) -> SafeString:
        return formats.stamp_ago(delivery.created_at)

    @admin.display(description="state", ordering="state")
    def state_badge(self, delivery: Delivery) -> SafeString:
        badge = '<span class="bs-badge" data-field="state" data-status="{}">{}</span>'
        return format_html(badge, STATES[delivery.state], delivery.get_state_display())

    @admin.display(description="tries", ordering="attempts")
    def tries(self, delivery: Delivery) -> int:
        return delivery.attempts

    @admin.display(description="message")
    def words(self, delivery: Delivery) -> SafeString:
        message = message_of(delivery)
        return format_html(
            '<details data-delivery="{}"><summary>{}</summary><pre class="bs-pre">{}</pre></details>',
            delivery.pk, message.subject or message.signal, message.text or "no text",
        )  # fmt: skip

    @admin.display(description="result")
    def result(self, delivery: Delivery) -> SafeString:
        if delivery.state == Delivery.State.SENT:
            return format_html(
                '{}, <span data-field="answer">{}</span>', formats.stamp(delivery.sent_at), delivery.answer
            )
        next_try = formats.until(delivery.next_try_at) if delivery.state == Delivery.State.WAITING else ""
        error = f"{delivery.error} {delivery.error_hint}".strip()
        return format_html('<span data-field="error">{}</span> {}', error, f"Next try: {next_try}." if next_try else "")
