"""Clocks that were wrong, several hosts, persons who act meanwhile: nothing is lost, and nothing is said twice."""

from datetime import timedelta

import pytest

from backups.models import NotificationChannel
from backups.notifications import digests
from tests.notifications.conftest import Add
from tests.notifications.test_outage import MINUTE, START, failed, got, tick
from tests.support.servers.receivers import SECRET, WebReceiver

pytestmark = pytest.mark.django_db
AHEAD = timedelta(days=365)


def test_after_a_clock_was_ahead_messages_go_out_again(web: WebReceiver, hook: NotificationChannel) -> None:
    tick(START + AHEAD, failed("wiki"))
    assert got(web) == [("began", "wiki")]
    tick(START, failed("wiki"), failed("shop"))
    assert ("began", "shop") in got(web)


def test_after_a_clock_was_ahead_a_channel_that_failed_then_is_tried_again(
    web: WebReceiver, hook: NotificationChannel
) -> None:
    web.status = 503
    tick(START + AHEAD, failed("wiki"))
    web.status = 200
    tick(START, failed("wiki"))
    assert ("began", "wiki") in got(web)


def test_after_a_clock_was_ahead_there_are_reminders_and_digests(web: WebReceiver, add: Add) -> None:
    options = {"url": f"{web.url}/hook", "secret": SECRET}
    add("webhook", options, name="hook")
    add("webhook", options, name="digest", digest="daily", next_digest_at=START + AHEAD)
    tick(START + AHEAD, failed("wiki"))
    web.taken.clear()
    for minutes in range(0, 2 * 1440 + 60, 60):
        now = START + minutes * MINUTE
        digests.queue_due(now)
        tick(now, failed("wiki"))
    assert ("remains", "wiki") in got(web)
    assert any(one.json["type"] == "backupsite.digest" for one in web.taken)
