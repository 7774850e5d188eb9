"""Facts and verdicts of real rows."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from backups.models import AcceptedReason, DrillExecution
from backups.service.monitoring.drills import drill_states
from backups.service.monitoring.verdict import Level, facts_of, site_reasons, verdicts
from backups.service.monitoring.verdict.accept import accept_reason
from backups.service.monitoring.verdict.verdicts import today
from tests.support.databases.statistics import pretend_a_long_history
from tests.support.pages.restore_pages import a_restore, an_outcome
from tests.support.pages.schedule_pages import a_schedule
from tests.support.protected import a_protected_backup
from tests.support.rows import Status, a_destination, a_drill, an_execution

pytestmark = pytest.mark.django_db
HOURS = timedelta(hours=1)


@pytest.fixture(autouse=True)
def instances(settings: Settings) -> dict[str, Any]:
    components = {"orders": {"kind": "sqlite", "path": "orders.db"}}
    found: dict[str, Any] = {
        name: {"kind": "generic", "root": f"/srv/{name}", "components": components} for name in ("shop", "wiki")
    }
    settings.BACKUP_INSTANCES = found
    return found


def codes(name: str = "shop") -> tuple[Level, list[str]]:
    (verdict,) = verdicts([name])
    return verdict.level, [reason.key for reason in verdict.reasons]


def test_a_safety_backup_is_never_the_good_one() -> None:
    an_execution("shop", kind="safety")
    assert "never-backed-up" in codes()[1]
    an_execution("shop", age=30 * HOURS)
    an_execution("shop", kind="safety")
    assert "overdue" in codes()[1]


def test_facts_name_the_newest_good_backup_what_proves_it_and_where_its_copies_are() -> None:
    proven = a_protected_backup("shop", age=30 * HOURS)
    good = a_protected_backup("shop", age=2 * HOURS)
    DrillExecution.objects.filter(execution=good).delete()
    an_execution("shop", status=Status.FAILED, age=40 * HOURS)
    (facts,) = facts_of(["shop"])
    assert (facts.good, facts.failure, facts.proven) == (good, None, proven)
    assert (facts.proven_until, facts.restore_time) == (proven.started_at, timedelta(seconds=12.5))
    assert {fact.place.name: fact.place.leaves_machine for fact in facts.copies} == {"nas": False, "far": True}
    assert [fact.place.name for fact in facts.copies_away] == ["far"]
    failed = an_execution("shop", status=Status.INTERRUPTED)
    assert facts_of(["shop"])[0].failure == failed


@pytest.mark.parametrize(
    ("age", "newer", "counts"),
    [
        (2, None, True),
        (30, None, True),
        (60, None, True),
        (60, {}, False),
        (60, {"damaged_at": timezone.now()}, True),
        (60, {"kind": "safety"}, True),
    ],
    ids=["new", "of a month ago", "the only one", "an old one", "the newest good one", "before a safety backup"],
)
def test_a_drill_proves_something_when_its_backup_was_one_of_the_newest(
    age: int, newer: dict[str, Any] | None, counts: bool
) -> None:
    backup = an_execution("shop", age=timedelta(days=age))
    if newer is not None:
        an_execution("shop", age=2 * HOURS, **newer)
    drill = a_drill(backup, verdict="passed")
    (facts,) = facts_of(["shop"])
    assert facts.drills.last == drill
    assert facts.proof == (drill if counts else None)
    # a regular drill of the newest one is not put off by it
    assert drill_states(["shop"])["shop"].is_due(timezone.now()) is False
    assert replace(facts.drills, every=timedelta(days=7)).is_due(timezone.now()) is not counts


def test_watched_are_the_instances_of_the_file_of_schedules_and_of_broken_restores(instances: dict[str, Any]) -> None:
    instances["mail"] = {"kind": "nonsense", "root": "/"}
    a_schedule("weekly-old", instance="old")
    an_execution("retired")
    an_execution("broken")
    a_restore("broken", status=Status.FAILED, outcome=an_outcome("applying"), safety_backup=an_execution("broken"))
    found = {verdict.instance: verdict for verdict in verdicts()}
    assert sorted(found) == ["broken", "mail", "old", "shop", "wiki"]
    assert [found[name].reasons[0].code for name in ("broken", "mail", "old")] == [
        "half-restored",
        "configuration-broken",
        "not-in-instances-file",
    ]


def test_a_destination_of_a_type_that_is_unknown_here_hides_no_verdict() -> None:
    an_execution("shop", destination=a_destination("gone", type="of-a-plugin"))
    assert [reason.key for reason in verdicts(["shop"])[0].reasons] == ["only-on-this-machine", "never-drilled"]


def test_an_acceptance_expires_by_itself() -> None:
    an_execution("shop")
    accept_reason("shop", "never-drilled", text="a lab", until=today(), by="alice")
    row = AcceptedReason.objects.get()
    assert [reason.code for reason in verdicts(["shop"])[0].reasons if reason.accepted] == ["never-drilled"]
    row.until -= timedelta(days=1)
    row.save()
    assert not any(reason.accepted for reason in verdicts(["shop"])[0].reasons)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the words of the plan are those of SQLite")
@pytest.mark.parametrize("analyzed", [False, True])
def test_no_query_reads_the_whole_history(analyzed: bool, instances: dict[str, Any]) -> None:
    names = [f"site{number}" for number in range(5)]
    instances |= dict.fromkeys(names, instances["shop"])
    if analyzed:
        pretend_a_long_history()
    counts, seen = [], list[str]()
    for some in (names[:1], names[1:]):
        for name in some:
            an_execution(name, age=4 * HOURS, status=Status.FAILED)
            a_protected_backup(name)
        with CaptureQueriesContext(connection) as queries:
            judged = verdicts(some)
            assert {verdict.level for verdict in judged} == {Level.PROTECTED}
            site_reasons(judged)
        counts.append(len(queries))
        seen = [query["sql"] for query in queries]
    assert counts[0] == counts[1] <= 28
    plans = []
    with connection.cursor() as cursor:
        for sql in seen:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            plans += [f"{step[3]}: {sql[:90]}" for step in cursor.fetchall()]
    grown = ("SCAN backup_executions", "SCAN backup_copies", "SCAN drill_executions", "SCAN U0")
    assert [plan for plan in plans if plan.startswith(grown)] == []
    # the first columns of an index of all stored backups are the same for most of them
    assert not [plan for plan in plans if "execution_archive (deleted_at=? AND missing_at=? AND status=?)" in plan]
