"""Retention at work, on real files: what the rule keeps, stays, and the rest goes."""

from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings

from backups.errors import BackupError
from backups.models import BackupExecution
from backups.service.retention.plan import plan_prune
from backups.service.retention.rules import Backup, decide
from destinations.models import BackupDestination
from tests.support.archives.stored import DAY, NOW, daily, recorded, there
from tests.support.pruned import reason, ruled, run
from tests.support.rows import an_execution

pytestmark = pytest.mark.django_db


def test_what_the_rule_no_longer_needs_is_deleted_and_its_row_stays_with_the_reason(nas: BackupDestination) -> None:
    rows = daily(nas, 10)
    pruned = run(nas)
    assert there(rows) == recorded(rows) == list(range(8))
    gone = BackupExecution.objects.get(pk=rows[9].pk)
    assert gone.deleted_at is not None and not gone.has_archive
    assert gone.deleted_reason == "goes because it is older than 7 days (simple: 7 days)"
    assert (gone.status, gone.backup_path, gone.deleting_at) == ("completed", rows[9].backup_path, None)
    sizes = [rows[place].compressed_size_bytes or 0 for place in (8, 9)]
    assert pruned.reclaimed_bytes == pruned.plan.reclaimed_bytes == sum(sizes)
    assert (len(pruned.deleted), pruned.failed, pruned.warnings) == (2, [], [])


def test_a_plan_changes_nothing_and_has_a_reason_for_every_backup(nas: BackupDestination) -> None:
    rows = daily(nas, 10)
    plan = plan_prune(nas, NOW)
    assert [entry.execution.pk for entry in plan.entries] == [row.pk for row in rows]
    assert [entry.keep for entry in plan.entries] == [True] * 8 + [False] * 2
    assert all(entry.reason.startswith("kept because " if entry.keep else "goes because ") for entry in plan.entries)
    assert there(rows) == recorded(rows) == list(range(10))


@pytest.mark.parametrize(
    "columns",
    [
        {"retention_days": 3},
        {"retention_strategy": "simple", "keep_count": 5, "min_keep": 1},
        {"retention_strategy": "gfs", "keep_daily": 3, "keep_weekly": 2, "keep_monthly": 2, "min_keep": 1},
        {"retention_strategy": "hanoi", "min_keep": 1},
    ],
    ids=str,
)
def test_what_is_left_on_the_disk_is_what_the_pure_rule_keeps(
    destination: BackupDestination, columns: dict[str, Any]
) -> None:
    ruled(destination, **columns)
    rows = [*daily(destination, 40), *daily(destination, 12, "app2", newest=NOW - 3 * DAY)]
    held = [Backup(id=row.pk, instance=row.instance, taken_at=row.started_at, completed=True) for row in rows]
    rule = destination.rule()
    assert rule is not None
    kept = {made.backup.id for made in decide(rule, held, NOW, {"app": None, "app2": None}) if made.keep}
    run(destination)
    assert {rows[place].pk for place in there(rows)} == kept
    assert there(rows) == recorded(rows)
    assert 0 < len(kept) < len(rows)
    assert run(destination).deleted == []


def test_without_a_rule_everything_stays(destination: BackupDestination) -> None:
    rows = daily(destination, 5)
    assert run(destination).deleted == []
    assert reason(destination, rows[4]) == "kept because this destination keeps everything"
    assert there(rows) == list(range(5))


def test_the_rule_of_the_site_holds_where_a_destination_has_none(
    destination: BackupDestination, settings: Settings
) -> None:
    settings.BACKUP_RETENTION = {"strategy": "simple", "keep_count": 3}
    rows = daily(destination, 5)
    run(destination)
    assert there(rows) == [0, 1, 2]


def test_a_rule_that_cannot_be_meant_deletes_nothing_and_says_what_to_change(
    destination: BackupDestination, settings: Settings
) -> None:
    settings.BACKUP_RETENTION = {"strategy": "gfs", "keep_days": 1}
    rows = daily(destination, 5)
    with pytest.raises(BackupError, match="The retention of nas cannot work: keep_days has no effect") as refused:
        run(destination)
    assert "Leave keep_days out" in refused.value.hint
    assert there(rows) == list(range(5))


def test_an_instance_whose_name_begins_like_another_is_left_alone(nas: BackupDestination) -> None:
    app, app2 = daily(nas, 12), daily(nas, 12, "app2")
    pruned = run(nas, instance="app")
    assert (there(app), there(app2)) == (list(range(8)), list(range(12)))
    assert {entry.execution.instance for entry in pruned.plan.entries} == {"app"}


def test_another_destination_is_left_alone(nas: BackupDestination) -> None:
    other = BackupDestination(name="offsite", type="local", retention_days=1)
    other.configure({})
    other.save()
    ours, theirs = daily(nas, 12), daily(other, 12)
    run(nas)
    assert (len(there(ours)), len(there(theirs))) == (8, 12)


def test_a_plan_of_many_rows_takes_few_queries(
    nas: BackupDestination, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    for _ in range(200):
        an_execution("app", destination=nas)
    with django_assert_max_num_queries(11):
        plan = plan_prune(nas, NOW)
    assert len(plan.entries) == 200
