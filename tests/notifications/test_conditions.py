"""Causes from the verdicts, events of runs, the channels' own failures: notices from real rows."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from backups.models import (
    AcceptedReason,
    BackupSchedule,
    Delivery,
    Heartbeat,
    InstanceState,
    Notice,
    NotificationChannel,
    RestoreExecution,
)
from backups.models.notice import MOMENTARY, OPEN
from backups.notifications import messages, rounds
from backups.notifications.conditions import EVENT_OF, FAILURES, look
from backups.notifications.deliveries import deliver
from backups.notifications.events import EVENTS
from backups.runs import finish
from backups.runs.claim import claim
from backups.runs.finish import Ending, Status, record_end
from backups.service.archives.records.copies import record_failed
from backups.service.monitoring.verdict.reason import CODES
from backups.service.monitoring.verdict.site import SITE_CODES
from backups.signals import host_key_changed
from backups.worker import tick
from destinations.exceptions import DestinationUnavailable, PeerNotTrusted
from destinations.models import DestinationTest
from tests.notifications.conftest import Add
from tests.support.rows import a_destination, an_execution
from tests.support.servers.receivers import SECRET, WebReceiver

pytestmark = pytest.mark.django_db


def open_now() -> dict[tuple[str, str], str]:
    """Return the level of each open notice, by instance and code."""
    rows = Notice.objects.filter(OPEN, ~MOMENTARY)
    return {(notice.instance, notice.code): notice.level for notice in rows}


def test_the_codes_and_the_events_that_are_brought_together_are_known() -> None:
    assert set(EVENT_OF.values()) <= EVENTS.keys()
    assert EVENT_OF.keys() <= {*CODES, *SITE_CODES}


def test_what_a_verdict_lists_opens_notices_and_its_end_ends_them() -> None:
    look(timezone.now())
    assert open_now()["shop", "never-backed-up"] == "alarm"
    an_execution("shop")
    look(timezone.now())
    assert ("shop", "never-backed-up") not in open_now()
    assert open_now()["shop", "never-drilled"] == "warning"
    assert open_now()["wiki", "never-backed-up"] == "alarm"
    count = Notice.objects.count()
    look(timezone.now())
    assert Notice.objects.count() == count


def test_looking_takes_a_constant_number_of_queries(
    settings: Settings, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    shop = settings.BACKUP_INSTANCES["shop"]
    with CaptureQueriesContext(connection) as two:
        look(timezone.now())
    settings.BACKUP_INSTANCES |= {f"shop-{number}": shop for number in range(4)}
    with django_assert_max_num_queries(len(two) + 2):
        look(timezone.now())


@pytest.mark.parametrize(("status", "event"), [(Status.FAILED, "failed"), (Status.INTERRUPTED, "interrupted")])
def test_a_backup_that_ends_badly_is_one_notice_until_a_good_one(status: Status, event: str) -> None:
    run = an_execution("shop", status="running")
    record_end(run, Ending(status, "The disk is full.", "Free space."))
    notice = Notice.objects.get()
    assert (notice.event, notice.level, notice.instance) == (event, "warning", "shop")
    assert "The disk is full." in notice.text
    assert notice.page.endswith(f"{run.pk}/change/")
    for _ in range(2):
        look(timezone.now())
    assert Notice.objects.filter(code=notice.code).count() == 1
    record_end(an_execution("shop", status="running"), Ending(status, "Again."))
    assert Notice.objects.filter(code=notice.code).count() == 1
    an_execution("shop", age=timedelta())
    look(timezone.now())
    notice.refresh_from_db()
    assert notice.ended_at is not None


def test_a_run_and_its_notice_are_recorded_together_and_a_notice_that_fails_undoes_no_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = an_execution("shop", status="running")

    def breaks(_: object) -> None:
        Notice.objects.create(instance="half", code="x", event="failed", level="alarm", text="x")

    monkeypatch.setattr(finish.steps_of(run), "with_end", [breaks])
    record_end(run, Ending(Status.FAILED, "The disk is full."))
    run.refresh_from_db()
    assert run.status == "failed"
    assert not Notice.objects.exists()
    assert "run.record-failed" in caplog.text


def test_a_queued_backup_that_is_cancelled_is_no_event(add: Add, web: WebReceiver) -> None:
    add("ping", {"url": web.url}, scope="instances", instances=["shop"])
    finish.cancel(an_execution("shop", status="queued"), by="ada")
    assert not Notice.objects.exists()
    assert not Delivery.objects.exists()


def test_the_safety_backup_of_a_restore_is_no_event_of_its_own(add: Add, web: WebReceiver) -> None:
    add("ping", {"url": web.url}, scope="instances", instances=["shop"])
    run = an_execution("shop", status="queued", kind="safety")
    claim(run)
    record_end(run, Ending(Status.FAILED, "The disk is full."))
    assert not Notice.objects.exists()
    assert not Delivery.objects.exists()


def test_a_host_key_that_changed_is_one_notice_until_the_server_is_trusted_again() -> None:
    nas = a_destination()
    for _ in range(2):
        host_key_changed.send(None, destination=nas, message="The server shows another key.", hint="Compare it.")
    assert list(Notice.objects.values_list("event", "momentary")) == [("host-key", False)]
    look(timezone.now())
    assert Notice.objects.get(event="host-key").ended_at is None
    DestinationTest.objects.create(destination=nas)
    look(timezone.now())
    assert Notice.objects.get(event="host-key").ended_at is not None


def test_an_accepted_reason_ends_its_notice_and_says_who_accepted_it() -> None:
    an_execution("shop")
    look(timezone.now())
    AcceptedReason.objects.create(
        instance="shop", code="never-drilled", text="lab", until=date(2999, 1, 1), by="ada", created_at=timezone.now()
    )
    look(timezone.now())
    assert ("shop", "never-drilled") not in open_now()
    ending = Notice.objects.get(instance="shop", code="never-drilled").ending
    assert all(part in ending for part in ("ada", "lab", "2999"))


def test_an_instance_that_another_host_describes_keeps_its_notices_for_a_day(settings: Settings) -> None:
    now = timezone.now()
    look(now)
    settings.BACKUP_INSTANCES = {"wiki": settings.BACKUP_INSTANCES["wiki"]}
    look(now + timedelta(hours=23))
    assert ("shop", "never-backed-up") in open_now()
    look(now + timedelta(hours=25))
    assert ("shop", "never-backed-up") not in open_now()


def test_a_recovery_kit_that_does_not_know_the_newest_keys_is_reported_until_there_is_a_new_one() -> None:
    now = timezone.now()
    kit = InstanceState.objects.create(instance="shop", kit_made_at=now - timedelta(days=2), kit_recipients=["old"])
    an_execution("shop", age=timedelta(hours=2), encryption="age", recipients=["old"])
    look(now)
    assert ("shop", "recovery-kit-old") not in open_now()
    an_execution("shop", age=timedelta(hours=1), encryption="age", recipients=["new", "old"])
    look(now)
    assert open_now()["shop", "recovery-kit-old"] == "warning"
    assert "recovery-kit" in EVENTS
    kit.refresh_from_db()
    kit.kit_made_at, kit.kit_recipients = now, ["old", "new"]
    kit.save()
    look(now)
    assert ("shop", "recovery-kit-old") not in open_now()


def test_a_restore_is_announced_when_it_begins_and_when_it_fails() -> None:
    backup = an_execution("shop")
    run = RestoreExecution.objects.create(
        instance="shop", execution=backup, archive_sha256=backup.archive_sha256, triggered_by="ada"
    )
    claim(run)
    assert "ada" in Notice.objects.get(event="restore-begun", momentary=True).text
    record_end(run, Ending(Status.FAILED, "The disk is full.", "Free space."))
    failure = Notice.objects.get(event="restore-failed")
    assert (failure.level, failure.momentary, "The disk is full." in failure.text) == ("alarm", True, True)
    assert failure.page.endswith(f"restoreexecution/{run.pk}/change/")
    cancelled = RestoreExecution.objects.create(
        instance="shop", execution=backup, archive_sha256=backup.archive_sha256, triggered_by="ada"
    )
    finish.cancel(cancelled, by="ada")
    assert Notice.objects.filter(momentary=True).count() == 2


def test_a_copy_that_fails_because_of_another_host_key_is_reported() -> None:
    copy = an_execution("shop").copies.get()
    record_failed(copy, PeerNotTrusted("The server shows another key.", "Compare it."))
    record_failed(copy, DestinationUnavailable("It is away.", "Wait."))
    notice = Notice.objects.get()
    assert (notice.event, notice.subject, notice.hint) == ("host-key", copy.destination.name, "Compare it.")


def test_a_silent_worker_is_reported() -> None:
    look(timezone.now())
    assert ("", "worker-silent") in open_now()
    long_ago = timezone.now() - timedelta(hours=1)
    Heartbeat.objects.create(
        name="w", kind="worker", queue="backups", host="x", pid=1, started_at=long_ago, beat_at=timezone.now()
    )
    look(timezone.now())
    assert "scheduler" in Notice.objects.get(code="worker-silent", ended_at=None).text


def test_a_channel_that_fails_is_reported_through_the_others_until_it_works(
    web: WebReceiver, hook: NotificationChannel, add: Add
) -> None:
    other = add("webhook", {"url": f"{web.url}/other", "secret": SECRET}, name="other", scope="instances")
    NotificationChannel.objects.filter(pk=hook.pk).update(failures=FAILURES, last_error="HTTP 500.")
    look(timezone.now())
    messages.announce(timezone.now())
    Delivery.objects.filter(channel=hook).delete()
    deliver()
    [got] = web.taken
    assert got.path == "/other"
    assert "hook" in got.json["data"]["text"]
    NotificationChannel.objects.filter(pk=hook.pk).update(failures=0)
    look(timezone.now())
    assert not Notice.objects.filter(OPEN, code="channel-failing").exists()
    assert other.scope == "instances"


def test_a_ping_channel_hears_of_the_runs_of_its_scope_in_order(web: WebReceiver, add: Add) -> None:
    nightly = BackupSchedule.objects.create(
        name="nightly", instance="shop", destination=a_destination(), expression="0 2 * * *"
    )
    add("ping", {"url": f"{web.url}/shop"}, name="shop", scope="instances", instances=["shop"])
    add("ping", {"url": f"{web.url}/nightly"}, name="nightly", scope="schedules").schedules.set([nightly])
    add("ping", {"url": f"{web.url}/site"}, name="site")
    runs = []
    for schedule, status in ((None, Status.COMPLETED), (nightly, Status.FAILED)):
        run = an_execution("shop", status="queued", schedule=schedule)
        runs.append(run)
        claim(run)
        made = {"backup_path": "a", "archive_sha256": "b", "manifest_json": {}} if status == Status.COMPLETED else {}
        record_end(run, Ending(status, "" if made else "The disk is full. password=hunter22hunter"), **made)
    good, bad = runs
    deliver()
    paths = [got.path for got in web.taken]
    assert [path for path in paths if "/shop" in path] == [
        f"/shop/start?rid={good.pk}", f"/shop?rid={good.pk}", f"/shop/start?rid={bad.pk}", f"/shop/fail?rid={bad.pk}"
    ]  # fmt: skip
    assert [path for path in paths if "/nightly" in path] == [
        f"/nightly/start?rid={bad.pk}", f"/nightly/fail?rid={bad.pk}"
    ]  # fmt: skip
    assert len(paths) == 6
    assert any(b"The disk is full." in got.body for got in web.taken)
    assert not any(b"hunter22" in got.body for got in web.taken)


def test_the_tick_of_the_default_queue_pings_that_the_site_is_alive(web: WebReceiver, add: Add) -> None:
    channel = add("ping", {"url": f"{web.url}/site"}, name="site")
    add("ping", {"url": f"{web.url}/shop"}, name="shop", scope="instances", instances=["shop"])
    tick.notify("backups")
    tick.notify("another-queue")
    assert [got.path for got in web.taken] == ["/site"]
    channel.refresh_from_db()
    assert channel.last_sent_at is not None
    web.status = 500
    tick.notify("backups")
    channel.refresh_from_db()
    assert channel.failures == 1
    assert not Delivery.objects.exists()


def test_what_is_queued_is_sent_although_the_verdicts_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, web: WebReceiver, hook: NotificationChannel
) -> None:
    def broken() -> None:
        raise RuntimeError("verdicts")

    monkeypatch.setattr("backups.notifications.conditions.verdicts", broken)
    host_key_changed.send(None, destination=a_destination(), message="The server shows another key.")
    with pytest.raises(RuntimeError, match="verdicts"):
        rounds.work(alive=False)
    assert len(web.taken) == 1
