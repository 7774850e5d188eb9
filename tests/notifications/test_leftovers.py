"""What is lost neither with a digest that was given up, nor with a level that is left out."""

from datetime import UTC, datetime, timedelta

import pytest

from backups.models import Delivery, Notice, NotificationChannel
from backups.notifications import deliveries, digests, messages
from backups.notifications.notices import NO_LONGER, Cause, observe
from tests.notifications.conftest import Add
from tests.support.servers.receivers import SECRET, WebReceiver

pytestmark = pytest.mark.django_db
START = datetime(2026, 11, 27, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_the_next_digest_has_what_happened_before_one_that_was_given_up(web: WebReceiver, add: Add) -> None:
    channel = add("webhook", {"url": f"{web.url}/hook", "secret": SECRET}, name="daily", digest="daily")
    row = NotificationChannel.objects.filter(pk=channel.pk)
    row.update(created_at=START - 48 * HOUR, next_digest_at=START)
    Cause("restore-begun", "A restore of shop has begun.", instance="shop").notice(START - HOUR, momentary=True).save()
    assert digests.queue_due(START) == 1
    first = Delivery.objects.get()
    Delivery.objects.update(state="given up")
    row.update(next_digest_at=START + 24 * HOUR)
    digests.queue_due(START + 24 * HOUR)
    second = Delivery.objects.exclude(pk=first.pk).get()
    said = [[item["event"] for item in one.items if item["what"] == "happened"] for one in (first, second)]
    assert said == [["restore-begun"], ["restore-begun"]]
    Delivery.objects.update(state="sent")
    row.update(next_digest_at=START + 48 * HOUR)
    digests.queue_due(START + 48 * HOUR)
    assert Delivery.objects.latest("created_at").items == []


@pytest.mark.parametrize("told", [True, False])
def test_the_end_is_sent_to_who_was_told_of_the_begin_though_its_level_is_left_out_now(
    told: bool, web: WebReceiver, hook: NotificationChannel
) -> None:
    NotificationChannel.objects.update(muted=["late:warning"])

    def tick(now: datetime, *levels: Notice.Level) -> None:
        causes = [Cause("late", "It is late.", instance="shop", level=level) for level in levels]
        observe(causes, ending=lambda notice: NO_LONGER, now=now)
        messages.announce(now)
        deliveries.deliver(now)

    tick(START, Notice.Level.ALARM if told else Notice.Level.WARNING)
    tick(START + HOUR, Notice.Level.WARNING)
    tick(START + 2 * HOUR)
    said = [item["what"] for one in web.taken for item in one.json["data"]["items"]]
    assert said == (["began", "ended"] if told else [])
