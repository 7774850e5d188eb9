"""Quiet hours and digests, by the clock of the channel's time zone."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from backups.models import Delivery, Notice, NotificationChannel
from backups.notifications import deliveries, digests, messages
from backups.notifications.hours import next_digest, quiet_until
from backups.notifications.notices import NO_LONGER, Cause, observe
from tests.notifications.conftest import Add
from tests.support.servers.receivers import SECRET, WebReceiver

NIGHT = {"quiet_from": time(22), "quiet_until": time(7), "time_zone": "Europe/Berlin"}
ALARM, WARNING = Notice.Level.ALARM, Notice.Level.WARNING


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("row", "now", "until"),
    [
        (NIGHT, "11-27T20:59", None),
        (NIGHT, "11-27T21:00", "11-28T06:00"),
        (NIGHT, "11-28T05:59", "11-28T06:00"),
        (NIGHT, "11-28T06:00", None),
        # the night in which summer time begins is an hour shorter
        (NIGHT, "03-28T22:00", "03-29T05:00"),
        ({"quiet_from": time(12), "quiet_until": time(13)}, "11-27T12:30", "11-27T13:00"),
        ({}, "11-27T23:00", None),
    ],
)
def test_quiet_hours_end_by_the_clock_of_the_channel(row: dict[str, Any], now: str, until: str | None) -> None:
    assert quiet_until(NotificationChannel(**row), at(now)) == (at(until) if until else None)


@pytest.mark.parametrize(
    ("row", "after", "expected"),
    [
        ({"digest": "daily", "digest_at": time(8)}, "11-27T07:59", "11-27T08:00"),
        ({"digest": "daily", "digest_at": time(8)}, "11-27T08:00", "11-28T08:00"),
        ({"digest": "weekly", "digest_at": time(8), "digest_weekday": 0}, "11-27T08:00", "11-30T08:00"),
        ({"digest": "weekly", "digest_at": time(8), "digest_weekday": 4}, "11-27T08:00", "12-04T08:00"),
        ({"digest": "daily", "digest_at": time(8), "time_zone": "Europe/Berlin"}, "11-27T06:00", "11-27T07:00"),
        ({}, "11-27T06:00", None),
    ],
)
def test_the_next_digest_is_at_its_time_of_its_day(row: dict[str, Any], after: str, expected: str | None) -> None:
    assert next_digest(NotificationChannel(**row), at(after)) == (at(expected) if expected else None)


def tick(now: datetime, *causes: Cause) -> None:
    observe(causes, ending=lambda notice: NO_LONGER, now=now)
    messages.announce(now)
    digests.queue_due(now)
    deliveries.deliver(now)


def failed(instance: str, level: Notice.Level) -> Cause:
    return Cause("failed", f"The backup of {instance} failed.", instance=instance, level=level)


def a_hook(add: Add, web: WebReceiver, **row: Any) -> NotificationChannel:
    return add("webhook", {"url": web.url, "secret": SECRET}, name="hook", **row)


def got(web: WebReceiver) -> list[list[tuple[str, str]]]:
    return [[(entry["what"], entry["instance"]) for entry in one.json["data"]["items"]] for one in web.taken]


@pytest.mark.parametrize(("at_once", "in_the_night"), [(True, [[("began", "wiki")]]), (False, [])])
def test_in_quiet_hours_alarms_alone_are_sent_and_the_rest_is_one_message_in_the_morning(
    web: WebReceiver, add: Add, at_once: bool, in_the_night: list[list[tuple[str, str]]]
) -> None:
    a_hook(add, web, urgent_at_once=at_once, **NIGHT)
    shop, wiki = failed("shop", WARNING), failed("wiki", ALARM)
    tick(at("11-27T22:00"), shop)
    tick(at("11-27T23:00"), shop, wiki)
    tick(at("11-28T02:00"), wiki, failed("blog", WARNING))
    assert got(web) == in_the_night
    tick(at("11-28T06:00"), wiki)
    morning = got(web)[len(in_the_night) :]
    assert len(morning) == 1
    assert sorted(morning[0]) == sorted(
        [("began", "shop"), ("ended", "shop"), ("began", "blog"), ("ended", "blog")]
        + ([] if at_once else [("began", "wiki")])
    )


def test_a_digest_has_what_is_open_and_what_happened_and_comes_though_there_is_nothing(
    web: WebReceiver, add: Add
) -> None:
    channel = a_hook(add, web, digest="daily", digest_at=time(8), created_at=at("11-26T12:00"))
    NotificationChannel.objects.update(next_digest_at=at("11-27T08:00"))
    shop, wiki = failed("shop", WARNING), failed("wiki", ALARM)
    tick(at("11-26T13:00"), shop)
    assert web.taken == []
    tick(at("11-26T14:00"), shop, wiki)
    assert got(web) == [[("began", "wiki")]]
    tick(at("11-26T15:00"), shop)
    for minute in range(3):
        tick(at("11-27T08:00") + timedelta(minutes=minute), shop)
    assert got(web)[1:] == [[("ended", "wiki")], [("began", "shop"), ("ended", "wiki")]]
    digest = web.taken[-1].json
    assert digest["type"] == "backupsite.digest"
    assert "2 instances" in digest["data"]["text"]
    tick(at("11-27T12:00"))
    tick(at("11-28T08:01"))
    tick(at("11-29T08:00"))
    assert got(web)[3:] == [[("ended", "shop")], []]
    assert "Nothing is open" in web.taken[-1].json["data"]["text"]
    channel.refresh_from_db()
    assert channel.next_digest_at == at("11-30T08:00")
    assert Delivery.objects.filter(kind="digest").count() == 3


def test_a_new_channel_gets_what_is_open_already(web: WebReceiver, add: Add) -> None:
    tick(at("11-27T12:00"), failed("shop", WARNING))
    channel = a_hook(add, web)
    messages.introduce(channel, at("11-27T13:00"))
    tick(at("11-27T13:00"), failed("shop", WARNING))
    assert got(web) == [[("remains", "shop")]]
