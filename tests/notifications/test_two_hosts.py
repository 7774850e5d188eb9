"""Clocks that were wrong, several hosts, persons who act meanwhile: nothing is lost, and nothing is said twice."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from django.utils import timezone

from backups.models import AcceptedReason, Notice, NotificationChannel
from backups.notifications import digests, messages
from backups.notifications.conditions import look
from backups.notifications.notices import NO_LONGER, Cause, acknowledge, observe
from backups.runs.finish import Ending, Status, record_end
from tests.notifications.conftest import Add
from tests.notifications.test_outage import MINUTE, START, failed, got, tick
from tests.support.rows import an_execution
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


def test_who_acknowledges_a_notice_while_the_causes_are_looked_at_is_heard(hook: NotificationChannel) -> None:
    tick(START, failed())

    def causes() -> Iterator[Cause]:
        # its open rows are read by now
        acknowledge(Notice.objects.get(), by="ada")
        yield Cause("failed", "The backup of shop failed again.", "Look.", instance="shop")

    observe(causes(), ending=lambda notice: NO_LONGER, now=START + MINUTE)
    assert Notice.objects.get().acknowledged_by == "ada"


def test_what_another_host_announces_meanwhile_is_not_said_again(web: WebReceiver, hook: NotificationChannel) -> None:
    observe([failed()], ending=lambda notice: NO_LONGER, now=START)

    def causes() -> Iterator[Cause]:
        messages.announce(START)
        yield Cause("failed", "The backup of shop failed again.", "Look.", instance="shop")

    observe(causes(), ending=lambda notice: NO_LONGER, now=START)
    assert Notice.objects.get().announced_at == START
    assert messages.announce(START + MINUTE) == 0


@pytest.mark.parametrize(("status", "event"), [(Status.FAILED, "failed"), (Status.INTERRUPTED, "interrupted")])
def test_a_look_keeps_the_event_by_which_a_channel_takes_a_backup_that_ended_badly(status: Status, event: str) -> None:
    record_end(an_execution("shop", status="running"), Ending(status, "The disk is full.", "Free space."))
    an_execution("wiki")
    record_end(an_execution("wiki", status="running"), Ending(status, "The disk is full.", "Free space."))
    look(timezone.now())
    found = dict(Notice.objects.filter(code="backup-failing").values_list("instance", "event"))
    assert found == {"shop": event, "wiki": event}


def test_a_failure_that_a_person_accepted_is_not_said() -> None:
    an_execution("shop", age=timedelta(hours=2))
    record_end(an_execution("shop", status="running"), Ending(Status.FAILED, "The disk is full."))
    AcceptedReason.objects.create(
        instance="shop", code="last-run-failed", text="lab", until=date(2999, 1, 1), by="ada", created_at=timezone.now()
    )
    look(timezone.now())
    notice = Notice.objects.get(instance="shop", code="backup-failing")
    assert "ada" in notice.ending
    assert notice.announced_at is not None
    messages.announce(timezone.now())
    assert Notice.objects.get(pk=notice.pk).reminded_at is None


def test_the_log_of_a_host_is_reported_by_its_heartbeat_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backups.service.monitoring.verdict.site.log_problem", lambda: "The log cannot be written.")
    look(timezone.now())
    # the look of another host, which can write its own, would end it
    assert not Notice.objects.filter(code="log-not-writable").exists()
