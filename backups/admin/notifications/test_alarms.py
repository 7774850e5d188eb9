"""Test alarms: when each channel was last proven from end to end, and the pages by which a person confirms one."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from backups.admin.notifications.records import STATES, may_acknowledge
from backups.admin.shared.views import actor, page, site_path
from backups.errors import BackupError
from backups.lib import audit
from backups.models import Delivery, NotificationChannel
from backups.notifications.test_alarm import (
    alarm_channels,
    confirm,
    confirm_by_link,
    delivery_of,
    has_failed,
    queue_test_alarms,
)
from backups.service.monitoring.verdict.limits import Limits
from destinations.admin.methods import wrong_method
from destinations.lib.formats import counted

LIST = "admin:backups_test_alarms"
TEST = "backups.test_notificationchannel"
CONFIRMED = "Confirmed: until now the alarms of {} are known to reach a person."


@dataclass(frozen=True, slots=True)
class Row:
    """`status` is proven, never, waiting or overdue; `delivery` is the newest test alarm."""

    channel: NotificationChannel
    delivery: Delivery | None
    status: str

    @property
    def tone(self) -> str:
        return STATES[self.delivery.state] if self.delivery else ""

    @property
    def may_confirm(self) -> bool:
        if self.channel.unproven_since is None or self.delivery is None:
            return False
        return bool(self.delivery.attempts) and not has_failed(self.delivery)


def test_alarms(request: HttpRequest) -> HttpResponse:
    may_send, may_confirm = request.user.has_perm(TEST), may_acknowledge(request.user)
    if not (may_send or may_confirm):
        raise PermissionDenied
    return page(
        request,
        "backups/testalarm/list",
        title="Test alarms",
        opts=NotificationChannel._meta,
        rows=_rows(alarm_channels()),
        days=settings.BACKUP_TEST_ALARM_DAYS,
        may_send=may_send,
        may_confirm=may_confirm,
    )


def send(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return wrong_method(request, ("POST",), LIST)
    if not request.user.has_perm(TEST):
        raise PermissionDenied
    queued = queue_test_alarms(alarm_channels(), timezone.now())
    for delivery in queued:
        audit.note(actor(request), delivery.channel, "Sent a test alarm.")
    messages.success(request, f"Queued {counted(len(queued), 'test alarm')}: the next tick of a worker sends them.")
    return redirect(LIST)


def confirm_newest(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return wrong_method(request, ("POST",), LIST)
    if not may_acknowledge(request.user):
        raise PermissionDenied
    channel = NotificationChannel.objects.filter(pk=request.POST.get("channel", "")).first()
    if channel is None:
        messages.error(request, "That channel does not exist any more.")
        return redirect(LIST)
    try:
        messages.success(request, CONFIRMED.format(confirm(channel, by=actor(request))))
    except BackupError as error:
        messages.error(request, error.text)
    return redirect(LIST)


def by_link(request: HttpRequest, token: str) -> HttpResponse:
    """Show what the link of a test alarm is about, and confirm it by POST: a mail scanner opens links, too."""
    if request.method not in ("GET", "HEAD", "POST"):
        return wrong_method(request, ("GET", "POST"), LIST)
    if not may_acknowledge(request.user):
        raise PermissionDenied
    common: dict[str, Any] = {"title": "Confirm a test alarm", "opts": NotificationChannel._meta}
    try:
        if request.method == "POST":
            messages.success(request, CONFIRMED.format(confirm_by_link(token, by=actor(request))))
            return redirect(LIST)
        return page(request, "backups/testalarm/confirm", delivery=delivery_of(token), **common)
    except BackupError as error:
        return page(request, "backups/testalarm/confirm", problem=error, status=410, **common)


def _rows(channels: Iterable[NotificationChannel]) -> list[Row]:
    channels, limit = list(channels), timezone.now() - Limits().confirmation
    sent = Delivery.objects.filter(kind=Delivery.Kind.TEST_ALARM, channel__in=channels).order_by("created_at")
    newest = {delivery.channel_id: delivery for delivery in sent}

    def status(channel: NotificationChannel) -> str:
        if (since := channel.unproven_since) is not None:
            return "overdue" if since < limit else "waiting"
        return "proven" if channel.proven_at else "never"

    return [Row(channel, newest.get(channel.pk), status(channel)) for channel in channels]


urls = [
    site_path("backups/testalarm/", test_alarms, "backups_test_alarms"),
    site_path("backups/testalarm/send/", send, "backups_test_alarms_send"),
    site_path("backups/testalarm/confirm/", confirm_newest, "backups_test_alarms_confirm"),
    site_path("backups/testalarm/<str:token>/", by_link, "backups_test_alarm"),
]
