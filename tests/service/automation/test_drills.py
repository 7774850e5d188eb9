"""Drills that happen by themselves, by a simulated clock."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.utils import timezone
from django_q.models import OrmQ
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from backups.instances import inventory
from backups.models import BackupExecution, DrillExecution, InstanceState
from backups.service.automation.drills import start_due
from backups.service.monitoring.drills import drill_states
from backups.worker.tick import drill_due
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, a_client, an_execution

pytestmark = pytest.mark.django_db
START = datetime(2026, 3, 1, tzinfo=UTC)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
INSTANCE = '[{name}]\nkind = "generic"\nroot = "/srv/{name}"\ncomponents.orders = {{kind = "sqlite", path = "o.db"}}\n'
Declared = Callable[[str], None]


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, period: timedelta) -> None:
        self.now += period


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Clock:
    clock = Clock()
    monkeypatch.setattr(timezone, "now", clock)
    settings.BACKUP_DRILL_EVERY_DAYS = 7
    return clock


def declared(declare: Declared, *names: str, **keys: str) -> None:
    more = "".join(f"{key} = {value}\n" for key, value in keys.items())
    declare("".join(INSTANCE.format(name=name).replace("root", f"{more}root") for name in names))


def backed_up(name: str = "shop", **fields: object) -> BackupExecution:
    return an_execution(name, age=timedelta(minutes=1), **fields)


def ended(run: DrillExecution, verdict: str = "passed", status: str = "completed") -> None:
    now = timezone.now()
    DrillExecution.objects.filter(pk=run.pk).update(status=status, verdict=verdict, started_at=now, completed_at=now)


def due(queue: str = "backups") -> DrillExecution | None:
    run = start_due(queue)
    if run is not None:
        # its default was bound before the clock was replaced
        DrillExecution.objects.filter(pk=run.pk).update(created_at=timezone.now())
    return run


def started(queue: str = "backups") -> DrillExecution:
    run = due(queue)
    assert run is not None
    return run


def test_it_is_off_by_default(settings: Settings, declare: Declared) -> None:
    declared(declare, "shop")
    backed_up()
    assert settings.BACKUP_DRILL_EVERY_DAYS == 0
    assert due() is None


def test_the_newest_good_backup_is_drilled_every_so_many_days(clock: Clock, declare: Declared) -> None:
    declared(declare, "shop")
    assert due() is None, "there is no backup yet"
    moments = []
    for hour in range(24 * 30):
        if hour % 24 == 0:
            newest = backed_up()
        if (run := due()) is not None:
            assert (run.execution, run.kind, run.triggered_by) == (newest, "drill", "regular drill")
            moments.append(clock.now)
            ended(run)
        clock.forward(HOUR)
    gaps = {later - earlier for earlier, later in pairwise(moments)}
    assert moments[0] == START
    assert gaps == {7 * DAY + HOUR}, "when the last is older than seven days, and not a day before"


def test_the_instance_has_a_rhythm_of_its_own(clock: Clock, declare: Declared, settings: Settings) -> None:
    settings.BACKUP_DRILL_EVERY_DAYS = 0
    declared(declare, "shop", drill_every_days="1")
    backed_up()
    ended(started())
    clock.forward(DAY + MINUTE)
    assert started().instance == "shop"


def test_zero_turns_it_off_for_one_instance(clock: Clock, declare: Declared) -> None:
    declared(declare, "shop", drill_every_days="0")
    backed_up()
    assert due() is None


@pytest.mark.parametrize("value", ["-1", '"7"', "3651", "true", "1.5"])
def test_a_rhythm_is_a_number_of_days(home: object, declare: Declared, value: str) -> None:
    declared(declare, "shop", drill_every_days=value)
    (problem,) = inventory().problems
    assert str(problem) == "[shop] drill_every_days: The value must be a number of days between 0 and 3650."


def test_one_at_a_time_for_each_queue_the_longest_undrilled_first(clock: Clock, declare: Declared) -> None:
    declare(
        INSTANCE.format(name="shop") + INSTANCE.format(name="wiki")
        + INSTANCE.format(name="radius").replace("root", 'queue = "branch"\nroot')
    )  # fmt: skip
    for name in ("shop", "wiki", "radius"):
        backed_up(name)
    first = started()
    assert (first.instance, due()) == ("shop", None)
    assert started("branch").instance == "radius", "another queue is another host"
    ended(first)
    clock.forward(MINUTE)
    second = started()
    assert second.instance == "wiki"
    ended(second)
    assert due() is None
    clock.forward(8 * DAY)
    assert started().instance == "shop"


def test_a_backup_that_is_known_to_be_bad_is_passed_over(clock: Clock, declare: Declared) -> None:
    declared(declare, "shop")
    good = an_execution("shop", age=2 * DAY)
    backed_up(verification={"verdict": "failed"})
    an_execution("shop", kind="safety", age=timedelta())
    assert started().execution == good


def test_a_drill_by_hand_counts_and_a_verification_does_not(clock: Clock, declare: Declared) -> None:
    declared(declare, "shop")
    backup = backed_up()
    InstanceState.objects.create(instance="shop")
    fields = {"instance": "shop", "execution": backup, "status": "completed", "verdict": "passed"}
    DrillExecution.objects.create(**fields, kind="verification", triggered_by="bob", created_at=clock.now)
    assert drill_states(["shop"])["shop"].is_due(clock.now)
    DrillExecution.objects.create(**fields, kind="drill", triggered_by="bob", created_at=clock.now)
    assert due() is None


@pytest.mark.parametrize("status", ["failed", "interrupted", "cancelled"])
def test_one_that_came_to_no_verdict_is_tried_again_after_six_hours(
    clock: Clock, declare: Declared, status: str
) -> None:
    declared(declare, "shop")
    backed_up()
    ended(started(), verdict="", status=status)
    for _ in range(6):
        assert due() is None
        clock.forward(HOUR)
    clock.forward(MINUTE)
    assert started().instance == "shop"


def test_one_that_failed_is_a_drill_that_was_made(clock: Clock, declare: Declared) -> None:
    declared(declare, "shop")
    backed_up()
    ended(started(), verdict="failed", status="failed")
    clock.forward(6 * DAY)
    backed_up()
    assert due() is None


def test_a_clock_that_was_ahead_once_stops_no_drill(clock: Clock, declare: Declared) -> None:
    declared(declare, "shop")
    backup = backed_up()
    clock.forward(400 * DAY)
    ended(started())
    clock.now = START + HOUR
    assert started().execution == backup


def test_the_tick_calls_a_worker_for_it(
    clock: Clock, declare: Declared, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    declared(declare, "shop")
    backup = backed_up()
    with django_capture_on_commit_callbacks(execute=True):
        assert drill_due("backups") == f"started the drill of {backup}"
        assert drill_due("backups") == ""
    (message,) = OrmQ.objects.all()
    assert (message.key, message.task["func"]) == ("backups", "backups.worker.tasks.drill")


def test_the_front_page_says_that_a_drill_is_overdue(clock: Clock, declare: Declared) -> None:
    declared(declare, "shop")
    backed_up()
    client = a_client(VIEW)
    front = page_at(client, "/admin/")
    assert (front.row("shop").status, front.row("shop").flags()) == ("at-risk", ["drill-overdue"])
    assert front.field("banner").status == "warning"
    run = started()
    assert page_at(client, "/admin/").row("shop").flags() == [], "it is at work"
    ended(run)
    for days, overdue in ((7, False), (2, True)):
        clock.forward(days * DAY)
        backed_up()
        client = a_client(VIEW, name=f"bob{days}")
        flags = page_at(client, "/admin/").row("shop").flags()
        assert flags == (["drill-overdue"] if overdue else [])
