"""The test alarm: sent monthly by the way of a real one, and proven when a person confirms it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core import signing
from django.utils import timezone
from pytest_django import Settings

from backups.errors import BackupError
from backups.models import Delivery, NotificationChannel
from backups.notifications import deliveries, test_alarm
from backups.notifications.events import cells
from backups.notifications.test_alarm.links import SALT
from backups.service.monitoring.verdict import site_reasons
from tests.notifications.conftest import Add
from tests.support.servers.receivers import SECRET, WebReceiver

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
START = datetime(2026, 11, 27, 12, tzinfo=UTC)


def unproven() -> list[str]:
    return [reason.subject for reason in site_reasons([]) if reason.code == "alarms-not-proven"]


def round_at(now: datetime) -> int:
    queued = test_alarm.queue_due(now)
    deliveries.deliver(now)
    return queued


def test_it_is_sent_once_a_month_with_a_link_and_the_level_of_an_alarm(
    web: WebReceiver, hook: NotificationChannel
) -> None:
    NotificationChannel.objects.update(created_at=START)
    sent = [day for day in range(95) if round_at(START + day * DAY)]
    assert (sent, len(web.taken)) == ([30, 60, 90], 3)
    data = web.taken[0].json["data"]
    assert (web.taken[0].json["type"], data["level"], web.taken[0].is_signed) == (
        "backupsite.test-alarm",
        "alarm",
        True,
    )
    assert data["items"][0]["link"].startswith("https://backup.example.net/admin/backups/testalarm/")
    assert data["items"][0]["link"] in data["text"]
    # the first one that nobody confirmed counts
    assert NotificationChannel.objects.get().unproven_since == START + 30 * DAY


def test_it_is_off_with_a_setting_and_sent_again_after_a_clock_was_ahead(
    hook: NotificationChannel, settings: Settings
) -> None:
    settings.BACKUP_TEST_ALARM_DAYS = 0
    assert test_alarm.queue_due(timezone.now() + 99 * DAY) == 0
    settings.BACKUP_TEST_ALARM_DAYS = 30
    now = timezone.now()
    ahead = now + 400 * DAY
    NotificationChannel.objects.update(created_at=now - 40 * DAY, alarm_tested_at=ahead, unproven_since=ahead)
    assert test_alarm.queue_due(now) == 1
    assert NotificationChannel.objects.get().unproven_since == now


def test_it_goes_where_an_unprotected_instance_would_be_reported(web: WebReceiver, add: Add) -> None:
    options = {"url": f"{web.url}/hook", "secret": SECRET}
    add("webhook", options, name="all")
    add("webhook", options, name="of-shop", scope="instances", instances=["shop"])
    add("webhook", options, name="only-late", muted=[cell for cell in cells() if cell != "late:alarm"])
    add("webhook", options, name="no-alarms", muted=[cell for cell in cells() if cell.endswith(":alarm")])
    add("webhook", options, name="of-nothing", scope="instances")
    add("webhook", options, name="off", enabled=False)
    add("ping", {"url": f"{web.url}/ping"}, name="ping")
    assert [channel.name for channel in test_alarm.alarm_channels()] == ["all", "of-shop", "only-late"]


def test_it_waits_for_the_quiet_hours_where_alarms_do(hook: NotificationChannel) -> None:
    row = {"quiet_from": "22:00", "quiet_until": "07:00", "created_at": START - 40 * DAY}
    night = START.replace(hour=23)
    for at_once, due in ((True, night), (False, START.replace(hour=7) + DAY)):
        NotificationChannel.objects.update(urgent_at_once=at_once, alarm_tested_at=None, **row)
        (delivery,) = test_alarm.queue_test_alarms(NotificationChannel.objects.all(), night)
        assert delivery.next_try_at == due


def test_two_hosts_send_one(hook: NotificationChannel) -> None:
    seen = test_alarm.alarm_channels()
    assert len(test_alarm.queue_test_alarms(seen, timezone.now())) == 1
    assert test_alarm.queue_test_alarms(seen, timezone.now()) == []
    assert Delivery.objects.count() == 1


def test_after_a_week_without_a_confirmation_the_site_says_so_until_there_is_one(
    web: WebReceiver, hook: NotificationChannel
) -> None:
    sent = timezone.now() - 6 * DAY
    (delivery,) = test_alarm.queue_test_alarms([hook], sent)
    with pytest.raises(BackupError, match="not sent yet"):
        test_alarm.confirm(hook, by="bob")
    deliveries.deliver()
    assert unproven() == []
    NotificationChannel.objects.update(unproven_since=sent - 2 * DAY)
    assert unproven() == ["hook"]
    NotificationChannel.objects.update(enabled=False)
    assert unproven() == []
    NotificationChannel.objects.update(enabled=True)
    link = web.taken[0].json["data"]["items"][0]["link"]
    proven = test_alarm.confirm_by_link(link.split("/")[-2], by="bob")
    assert (proven.unproven_since, proven.proven_by, unproven()) == (None, "bob", [])
    with pytest.raises(BackupError, match="already"):
        test_alarm.confirm_by_link(link.split("/")[-2], by="eve")
    assert delivery.pk in signing.TimestampSigner(salt=SALT).unsign(link.split("/")[-2])


def test_one_whose_delivery_failed_is_confirmed_by_its_link_alone(hook: NotificationChannel) -> None:
    (delivery,) = test_alarm.queue_test_alarms([hook], timezone.now())
    rows = Delivery.objects.filter(pk=delivery.pk)
    for failed in ({"attempts": 1}, {"attempts": 0, "state": Delivery.State.GIVEN_UP}):
        rows.update(error="The server refused it.", **failed)
        with pytest.raises(BackupError, match=r"could not be delivered\. The server refused it") as refused:
            test_alarm.confirm(hook, by="bob")
        assert "opens the link" in refused.value.hint
    # another recipient of the same channel has it
    rows.update(done=["bob@example.net"])
    assert test_alarm.confirm(hook, by="bob").unproven_since is None
    rows.update(done=[])
    NotificationChannel.objects.update(unproven_since=delivery.created_at)
    token = signing.TimestampSigner(salt=SALT).sign(delivery.pk)
    assert test_alarm.confirm_by_link(token, by="bob").unproven_since is None


def test_who_confirms_an_earlier_one_leaves_the_later_one_to_be_confirmed(
    web: WebReceiver, hook: NotificationChannel
) -> None:
    now = timezone.now()
    (first,) = test_alarm.queue_test_alarms([hook], now - 30 * DAY)
    hook.refresh_from_db()
    test_alarm.queue_test_alarms([hook], now - DAY)
    deliveries.deliver()
    token = signing.TimestampSigner(salt=SALT).sign(first.pk)
    assert test_alarm.confirm_by_link(token, by="bob").unproven_since == now - DAY
    assert test_alarm.confirm(hook, by="bob").unproven_since is None


@pytest.mark.parametrize("token", ["", "nonsense", "a:b:c"])
def test_a_link_that_is_not_of_this_site_confirms_nothing(token: str, hook: NotificationChannel) -> None:
    with pytest.raises(BackupError, match="not one of this site"):
        test_alarm.confirm_by_link(token, by="eve")


def test_what_the_site_signed_for_something_else_is_no_link(hook: NotificationChannel) -> None:
    (delivery,) = test_alarm.queue_test_alarms([hook], timezone.now())
    with pytest.raises(BackupError, match="not one of this site"):
        test_alarm.confirm_by_link(signing.TimestampSigner(salt="another").sign(delivery.pk), by="eve")


def test_a_link_ends_after_a_month(hook: NotificationChannel, monkeypatch: pytest.MonkeyPatch) -> None:
    (delivery,) = test_alarm.queue_test_alarms([hook], timezone.now())
    token = signing.TimestampSigner(salt=SALT).sign(delivery.pk)
    assert test_alarm.delivery_of(token) == delivery
    monkeypatch.setattr("backups.notifications.test_alarm.links.LIFE", timedelta(seconds=-1))
    with pytest.raises(BackupError, match="older than"):
        test_alarm.delivery_of(token)


def test_without_an_address_of_the_site_the_message_names_the_page(
    web: WebReceiver, hook: NotificationChannel, settings: Settings
) -> None:
    settings.BACKUP_SITE_URL = ""
    test_alarm.queue_test_alarms([hook], timezone.now())
    deliveries.deliver()
    assert "page Test alarms" in web.taken[0].json["data"]["text"]
