"""The pages of channels, notices and deliveries: forms, the test button, permissions, acknowledging."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from backups.models import BackupSchedule, Delivery, Notice, NotificationChannel
from backups.notifications import messages
from backups.notifications.channels import KINDS, options_of
from backups.notifications.deliveries import deliver
from backups.notifications.events import cells
from backups.notifications.notices import Cause, began
from backups.notifications.pages import channels_page, destinations_page, instance_page, run_page
from tests.support.rows import a_client, a_destination, an_execution
from tests.support.servers.receivers import SECRET, web_receiver

pytestmark = pytest.mark.django_db
ADD = "/admin/backups/notificationchannel/add/"
LIST = "/admin/backups/notificationchannel/"
OPTIONS: dict[str, dict[str, str]] = {
    "mail": {"option_recipients": "ops@example.net", "option_subject_prefix": ""},
    "webhook": {"option_url": "https://hook.example/token-in-path", "option_secret": SECRET, "option_ca_file": ""},
    "apprise": {"option_urls": "json://hook.example/token-in-path"},
    "ping": {"option_url": "https://hc.example/token-in-path", "option_ca_file": ""},
}


def form(kind: str, **fields: Any) -> dict[str, Any]:
    common = {
        "name": kind, "enabled": "on", "scope": "site", "events": cells(), "urgent_at_once": "on", "digest": "",
        "digest_at": "08:00", "digest_weekday": "0", "time_zone": "UTC", "hide_paths": "on",
    }  # fmt: skip
    return common | OPTIONS[kind] | fields


def page_of(channel: NotificationChannel) -> str:
    return reverse("admin:backups_notificationchannel_change", args=[channel.pk])


@pytest.fixture
def hook(admin: Client) -> NotificationChannel:
    assert admin.post(f"{ADD}?kind=webhook", form("webhook")).status_code == 302
    return NotificationChannel.objects.get()


def test_the_first_page_offers_every_kind(admin: Client) -> None:
    page = admin.get(ADD).content.decode()
    assert re.findall(r'data-kind="(\w+)"', page) == list(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_a_form_of_its_own_and_never_shows_a_secret_again(admin: Client, kind: str) -> None:
    page = admin.get(f"{ADD}?kind={kind}").content.decode()
    shown = set(re.findall(r'name="(option_\w+)"', page))
    assert shown == set(OPTIONS[kind])
    assert ('data-section="events"' in page) is KINDS[kind].takes_messages
    assert admin.post(f"{ADD}?kind={kind}", form(kind)).status_code == 302
    channel = NotificationChannel.objects.get()
    assert (channel.kind, channel.created_by, channel.muted) == (kind, "alice", [])
    for text in (admin.get(page_of(channel)).content.decode(), admin.get(LIST).content.decode()):
        assert "token-in-path" not in text
        assert SECRET not in text
    before = options_of(channel)
    blank = {f"option_{name}": "" for name in KINDS[kind].secret_options}
    assert admin.post(page_of(channel), form(kind, enabled="", **blank)).status_code == 302
    channel.refresh_from_db()
    assert (channel.enabled, options_of(channel)) == (False, before)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"option_secret": "too-short-a-secret"}, "option_secret"),
        ({"option_url": "nowhere-secret"}, "option_url"),
        ({"name": "a b"}, "name"),
        ({"scope": "instances"}, "instances"),
        ({"scope": "schedules"}, "schedules"),
        ({"quiet_from": "22:00"}, "quiet_until"),
        ({"time_zone": "Mars/Phobos"}, "time_zone"),
        ({"events": ["nonsense:alarm"]}, "events"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_saved(admin: Client, fields: dict[str, Any], wrong: str) -> None:
    answer = admin.post(f"{ADD}?kind=webhook", form("webhook", **fields))
    assert answer.status_code == 200
    assert [*answer.context["adminform"].form.errors] == [wrong]
    assert "too-short-a-secret" not in answer.content.decode()
    assert "nowhere-secret" not in answer.content.decode()
    assert not NotificationChannel.objects.exists()


def test_the_table_keeps_what_is_switched_off(admin: Client, hook: NotificationChannel) -> None:
    on = [cell for cell in cells() if cell != "drills:warning"]
    NotificationChannel.objects.update(retry_at=timezone.now())
    admin.post(page_of(hook), form("webhook", events=on))
    hook.refresh_from_db()
    assert (hook.muted, hook.retry_at) == (["drills:warning"], None)
    page = admin.get(page_of(hook)).content.decode()
    boxes = dict(re.findall(r'name="events" value="([\w:-]+)"[^>]*?( checked)?>', page))
    assert [cell for cell, ticked in boxes.items() if not ticked] == ["drills:warning"]


def test_a_scope_of_instances_and_of_schedules_is_saved(admin: Client, hook: NotificationChannel) -> None:
    admin.post(page_of(hook), form("webhook", scope="instances", instances=["shop"]))
    hook.refresh_from_db()
    assert (hook.scope, hook.instances) == ("instances", ["shop"])
    schedule = BackupSchedule.objects.create(
        name="nightly", instance="wiki", destination=a_destination(), expression="0 2 * * *"
    )
    admin.post(page_of(hook), form("webhook", scope="schedules", schedules=[schedule.pk]))
    assert list(hook.schedules.all()) == [schedule]
    schedule.delete()
    assert "nothing any more" in admin.get(LIST).content.decode()


def test_the_test_button_shows_what_became_of_it(admin: Client, settings: Settings) -> None:
    with web_receiver() as web:
        admin.post(f"{ADD}?kind=webhook", form("webhook", option_url=f"{web.url}/hook"))
        channel = NotificationChannel.objects.get()
        address = reverse("admin:backups_notificationchannel_test", args=[channel.pk])
        good = admin.post(address, follow=True)
        web.status = 500
        bad = admin.post(address, follow=True)
    assert [message.level_tag for message in good.context["messages"]][-1] == "success"
    assert [message.level_tag for message in bad.context["messages"]][-1] == "error"
    assert 'data-notice="failing"' in bad.content.decode()
    assert [one.json["type"] for one in web.taken] == ["backupsite.test"]
    assert sorted(Delivery.objects.values_list("state", flat=True)) == ["given up", "sent"]


def test_each_page_and_button_needs_its_permission(hook: NotificationChannel) -> None:
    began(Cause("failed", "It failed.", instance="shop"))
    notice = Notice.objects.get()
    test = reverse("admin:backups_notificationchannel_test", args=[hook.pk])
    acknowledge = reverse("admin:backups_notice_acknowledge", args=[notice.pk])
    pages = {
        LIST: "view_notificationchannel",
        page_of(hook): "view_notificationchannel",
        ADD: "add_notificationchannel",
        reverse("admin:backups_notice_changelist"): "view_notice",
        reverse("admin:backups_delivery_changelist"): "view_delivery",
    }
    stranger = a_client("view_backupexecution", name="stranger")
    for number, (address, permission) in enumerate(pages.items()):
        assert stranger.get(address).status_code == 403, address
        assert a_client(permission, name=f"user{number}").get(address).status_code == 200, address
    viewer = a_client("view_notificationchannel", "view_notice", name="viewer")
    assert 'data-action="test"' not in viewer.get(page_of(hook)).content.decode()
    assert SECRET not in viewer.get(page_of(hook)).content.decode()
    assert (viewer.post(test).status_code, viewer.post(acknowledge).status_code) == (403, 403)
    assert not Delivery.objects.exists()
    notice.refresh_from_db()
    assert notice.acknowledged_at is None


def test_a_notice_is_acknowledged_by_a_button_once(hook: NotificationChannel) -> None:
    began(Cause("failed", "It failed.", "Do something.", instance="shop"))
    client = a_client("view_notice", "acknowledge_notice")
    address = reverse("admin:backups_notice_acknowledge", args=[Notice.objects.get().pk])
    page = client.get(reverse("admin:backups_notice_changelist")).content.decode()
    assert f'formaction="{address}"' in page
    assert client.get(address).status_code == 302
    assert Notice.objects.get().acknowledged_at is None
    for expected in ("success", "error"):
        answer = client.post(address, follow=True)
        assert [message.level_tag for message in answer.context["messages"]][-1] == expected
    notice = Notice.objects.get()
    assert notice.acknowledged_by == "bob"
    page = client.get(reverse("admin:backups_notice_changelist") + "?state=open").content.decode()
    assert 'data-value="acknowledged"' in page
    assert 'data-action="acknowledge"' not in page


def test_the_page_of_deliveries_shows_each_message_with_its_result(admin: Client, hook: NotificationChannel) -> None:
    began(Cause("failed", "It failed <here>.", instance="shop"))
    now = timezone.now()
    messages.announce(now)
    page = admin.get(reverse("admin:backups_delivery_changelist")).content.decode()
    assert "It failed &lt;here&gt;." in page
    assert 'data-field="state" data-status="queued"' in page
    Delivery.objects.update(state="given up", error="The receiver is gone.")
    assert "The receiver is gone." in admin.get(reverse("admin:backups_delivery_changelist")).content.decode()
    assert deliver(now) == 0


def test_deleting_a_channel_takes_its_deliveries_along(admin: Client, hook: NotificationChannel) -> None:
    Delivery.objects.create(channel=hook, created_at=timezone.now(), next_try_at=timezone.now())
    admin.post(reverse("admin:backups_notificationchannel_delete", args=[hook.pk]), {"post": "yes"})
    assert not NotificationChannel.objects.exists()
    assert not Delivery.objects.exists()
    assert User.objects.filter(username="alice").exists()


def test_the_links_in_messages_are_those_of_the_pages() -> None:
    backup = an_execution("shop")
    assert f"/{instance_page('shop')}" == reverse("admin:backups_instance", args=["shop"])
    assert f"/{run_page('backup', backup.pk)}" == reverse("admin:backups_backupexecution_change", args=[backup.pk])
    assert f"/{run_page('restore', 'x')}" == reverse("admin:backups_restoreexecution_change", args=["x"])
    assert f"/{channels_page()}" == reverse("admin:backups_notificationchannel_changelist")
    assert f"/{destinations_page()}" == reverse("admin:destinations_backupdestination_changelist")
