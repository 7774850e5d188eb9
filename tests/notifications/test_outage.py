"""Delivery over time, by a simulated clock: each event once, all-clear once, nothing lost, no storm."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from backups.models import Delivery, Notice, NotificationChannel
from backups.notifications import deliveries, messages
from backups.notifications.events import EVENTS, cells
from backups.notifications.notices import NO_LONGER, Cause, acknowledge, began, observe
from backups.notifications.pings import queue_pings
from tests.notifications.conftest import Add
from tests.support.rows import an_execution
from tests.support.servers.receivers import SECRET, WebReceiver

pytestmark = pytest.mark.django_db
START = datetime(2026, 11, 27, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def failed(instance: str = "shop", **fields: Any) -> Cause:
    return Cause("failed", f"The backup of {instance} failed.", "Look.", instance=instance, **fields)


def tick(now: datetime, *causes: Cause) -> None:
    """Do what a round does, with these causes at this moment."""
    observe(causes, ending=lambda notice: NO_LONGER, now=now)
    messages.announce(now)
    deliveries.deliver(now)


def got(web: WebReceiver) -> list[tuple[str, str]]:
    """Return what was said of which instance, in order."""
    return [(entry["what"], entry["instance"]) for one in web.taken for entry in one.json["data"]["items"]]


def test_each_event_is_sent_once_and_its_end_once(web: WebReceiver, hook: NotificationChannel) -> None:
    for minute in range(0, 20, 2):
        tick(START + minute * MINUTE, *([failed()] if minute < 10 else []))
    assert got(web) == [("began", "shop"), ("ended", "shop")]
    begin, end = (one.json["data"] for one in web.taken)
    assert "failed" in begin["text"]
    assert "Look." in begin["text"]
    assert "All clear" in end["subject"]
    assert all(one.is_signed for one in web.taken)
    notice = Notice.objects.get()
    assert (notice.ended_at, notice.ending) == (START + 10 * MINUTE, NO_LONGER)


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_reaches_a_channel_that_takes_everything_with_what_to_do_and_a_link(
    event: str, web: WebReceiver, hook: NotificationChannel
) -> None:
    tick(START, Cause(event, "It is so.", "Do this.", subject="other", page="admin/x/"))
    [one] = web.taken
    text = one.json["data"]["text"]
    assert EVENTS[event].label in text
    assert all(part in text for part in ("It is so.", "Do this.", "Since: 2026-11-27 12:00 UTC"))
    assert "https://backup.example.net/admin/x/" in text


def test_nothing_is_lost_and_nothing_comes_twice_when_the_receiver_is_down_for_an_hour(
    web: WebReceiver, hook: NotificationChannel
) -> None:
    web.status = 503
    for minute in range(0, 120, 3):
        if minute == 60:
            web.status = 200
        causes = [failed("shop")] if minute < 30 else []
        causes += [failed("wiki")] if minute >= 21 else []
        tick(START + minute * MINUTE, *causes)
    assert sorted(got(web)) == [("began", "shop"), ("began", "wiki"), ("ended", "shop")]
    assert len({one.headers["webhook-id"] for one in web.taken}) == len(web.taken)
    # a few tries, not one a minute
    assert 5 <= len(web.refused) <= 15
    hook.refresh_from_db()
    assert (hook.failures, hook.failing_since, hook.last_error) == (0, None, "")
    assert not Delivery.objects.filter(state="waiting").exists()


def test_after_a_day_a_message_is_given_up_and_says_why(web: WebReceiver, hook: NotificationChannel) -> None:
    web.status = 500
    for hour in range(0, 30, 3):
        tick(START + hour * timedelta(hours=1), failed())
    given_up = Delivery.objects.get(state="given up")
    assert "HTTP 500" in given_up.error
    assert START + timedelta(days=1) <= given_up.created_at + timedelta(hours=27)


def test_200_instances_that_fail_at_once_are_one_message(web: WebReceiver, hook: NotificationChannel) -> None:
    causes = [failed(f"shop-{number}") for number in range(200)]
    for minute in range(3):
        tick(START + minute * MINUTE, *causes)
    [one] = web.taken
    assert len(one.json["data"]["items"]) == 200
    assert one.json["data"]["subject"] == "200 warnings"
    assert all(f"shop-{number}" in one.json["data"]["text"] for number in (0, 100, 199))
    tick(START + 10 * MINUTE)
    assert [len(one.json["data"]["items"]) for one in web.taken] == [200, 200]


def test_what_begins_minute_by_minute_is_gathered(web: WebReceiver, hook: NotificationChannel) -> None:
    causes: list[Cause] = []
    for minute in range(12):
        causes.append(failed(f"shop-{minute}"))
        tick(START + minute * MINUTE, *causes)
    tick(START + 16 * MINUTE, *causes)
    assert sorted(got(web)) == sorted(("began", f"shop-{minute}") for minute in range(12))
    assert len(web.taken) == 4


def test_an_open_notice_is_repeated_daily_until_it_is_acknowledged(web: WebReceiver, hook: NotificationChannel) -> None:
    for hour in range(0, 60, 6):
        tick(START + hour * timedelta(hours=1), failed())
    assert got(web) == [("began", "shop"), ("remains", "shop"), ("remains", "shop")]
    acknowledge(Notice.objects.get(), by="ada")
    for hour in range(60, 120, 10):
        tick(START + hour * timedelta(hours=1), *([failed()] if hour < 100 else []))
    assert got(web)[3:] == [("ended", "shop")]


def test_reminders_can_be_switched_off(web: WebReceiver, hook: NotificationChannel, settings: Settings) -> None:
    settings.BACKUP_REMIND_HOURS = 0
    for day in range(5):
        tick(START + timedelta(days=day), failed())
    assert got(web) == [("began", "shop")]


def test_what_gets_worse_is_said_again(web: WebReceiver, hook: NotificationChannel) -> None:
    tick(START, failed(level=Notice.Level.WARNING))
    acknowledge(Notice.objects.get(), by="ada")
    tick(START + 10 * MINUTE, failed(level=Notice.Level.ALARM))
    assert Notice.objects.get().acknowledged_at is None
    tick(START + 20 * MINUTE, failed(level=Notice.Level.WARNING))
    tick(START + 30 * MINUTE)
    assert [what for what, _ in got(web)] == ["began", "worse", "ended"]


def test_a_cause_that_begins_again_is_a_new_notice_and_one_that_is_open_is_not(
    web: WebReceiver, hook: NotificationChannel
) -> None:
    began(failed())
    began(failed())
    tick(START, failed())
    tick(START + 10 * MINUTE)
    tick(START + 20 * MINUTE, failed())
    assert [what for what, _ in got(web)] == ["began", "ended", "began"]
    assert Notice.objects.count() == 2


def test_a_channel_that_fails_keeps_no_other_from_its_message(
    web: WebReceiver, hook: NotificationChannel, add: Add
) -> None:
    add("webhook", {"url": "http://127.0.0.1:9/", "secret": SECRET}, name="broken")
    tick(START, failed())
    assert got(web) == [("began", "shop")]
    assert Delivery.objects.get(state="waiting").channel.name == "broken"


def test_a_channel_takes_what_its_scope_and_its_table_say(web: WebReceiver, add: Add) -> None:
    def another(name: str, **fields: Any) -> None:
        add("webhook", {"url": f"{web.url}/{name}", "secret": SECRET}, name=name, **fields)

    another("shop", scope="instances", instances=["shop"])
    another("alarms", muted=[cell for cell in cells() if not cell.endswith(":alarm")])
    another("off", enabled=False)
    site = Cause("workers", "No worker answers.", level=Notice.Level.WARNING)
    tick(START, failed("shop"), failed("wiki", level=Notice.Level.ALARM), site)
    assert {one.path: [entry["instance"] for entry in one.json["data"]["items"]] for one in web.taken} == {
        "/shop": ["shop"], "/alarms": ["wiki"]
    }  # fmt: skip


def test_an_event_of_a_later_release_is_on_in_every_channel(web: WebReceiver, hook: NotificationChannel) -> None:
    hook.muted = cells()
    hook.save()
    began(failed())
    Notice.objects.update(event="of-tomorrow")
    messages.announce(START)
    deliveries.deliver(START)
    assert got(web) == [("began", "shop")]


def test_what_waits_for_a_disabled_channel_is_given_up_after_a_day(hook: NotificationChannel) -> None:
    observe([failed()], ending=lambda notice: NO_LONGER, now=START)
    messages.announce(START)
    NotificationChannel.objects.update(enabled=False)
    for hours, state in ((23, "waiting"), (24, "given up")):
        deliveries.deliver(START + timedelta(hours=hours))
        deliveries.delete_old(START + timedelta(hours=hours))
        assert Delivery.objects.get().state == state


def test_a_ping_waits_behind_those_before_it(web: WebReceiver, add: Add) -> None:
    add("ping", {"url": web.url}, scope="instances", instances=["shop"])
    run = an_execution("shop", status="running")
    web.status = 500
    queue_pings(run, "start")
    now = timezone.now()
    deliveries.deliver(now)
    web.status = 200
    queue_pings(run, "success")
    deliveries.deliver(now + timedelta(seconds=30))
    assert web.taken == []
    deliveries.deliver(now + 2 * MINUTE)
    assert ["start" in one.path for one in web.taken] == [True, False]


def test_two_processes_that_announce_at_once_queue_each_notice_once(
    monkeypatch: pytest.MonkeyPatch, hook: NotificationChannel
) -> None:
    observe([failed()], ending=lambda notice: NO_LONGER, now=START)

    def meanwhile(now: datetime) -> list[Notice]:
        monkeypatch.undo()
        assert messages.announce(now) == 1
        return []

    # after the first process has read what is new
    monkeypatch.setattr(messages, "_due_reminders", meanwhile)
    assert messages.announce(START) == 0
    assert len(Delivery.objects.get().items) == 1


def test_a_message_that_its_receiver_never_takes_keeps_no_other_from_it(
    web: WebReceiver, hook: NotificationChannel
) -> None:
    web.poison = b"shop-poison"
    causes = [failed("shop-poison")]
    tick(START, *causes)
    for hour in range(1, 6):
        causes.append(failed(f"shop-{hour}"))
        tick(START + hour * timedelta(hours=1), *causes)
        tick(START + hour * timedelta(hours=1, minutes=2), *causes)
    assert got(web) == [("began", f"shop-{hour}") for hour in range(1, 6)]
    web.poison = b""


def test_a_process_that_was_killed_while_it_sent_loses_nothing(web: WebReceiver, hook: NotificationChannel) -> None:
    observe([failed()], ending=lambda notice: NO_LONGER, now=START)
    messages.announce(START)
    Delivery.objects.update(claimed_until=START + deliveries.CLAIM)
    deliveries.deliver(START + MINUTE)
    assert web.taken == []
    deliveries.deliver(START + deliveries.CLAIM)
    assert got(web) == [("began", "shop")]


@pytest.mark.parametrize(("hide", "shown"), [(True, False), (False, True)])
def test_a_path_of_a_host_leaves_the_site_only_where_that_is_wanted(
    web: WebReceiver, add: Add, hide: bool, shown: bool
) -> None:
    add("webhook", {"url": web.url, "secret": SECRET}, name="hook", hide_paths=hide)
    tick(START, Cause("failed", "The file /srv/shop/orders.db is gone. See https://x.example/a/b.", instance="shop"))
    body = web.taken[0].body.decode()
    assert ("/srv/shop/orders.db" in body) is shown
    assert "https://x.example/a/b" in body


def test_a_secret_in_a_text_is_hidden_before_it_is_stored(web: WebReceiver, hook: NotificationChannel) -> None:
    tick(START, Cause("failed", "Login failed: password=hunter22hunter", instance="shop"))
    assert "hunter22hunter" not in Notice.objects.get().text
    assert b"hunter22hunter" not in web.taken[0].body
