"""What protects a backup from retention, whatever the rule says."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from backups.errors import BackupError, NotDeletable
from backups.models import ArchiveUse, BackupExecution, BackupSchedule, RestoreExecution
from backups.service.archives.fetch import fetch
from backups.service.archives.leases import LONGEST_DELETION, LONGEST_USE, read_lease
from backups.service.archives.records.delete import delete_backup
from backups.service.retention.plan import plan_prune
from backups.service.schedules.freshness import freshness_by_instance
from destinations.models import BackupDestination
from tests.support.archives.stored import DAY, NOW, daily, file_of, recorded, stored, there
from tests.support.pruned import reason, ruled, run
from tests.support.rows import an_execution

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"pinned": True, "pin_reason": "for the audit"}, "pinned: for the audit"),
        (
            {"drill": {"verdict": "failed"}},
            "it replaces no other backup, and needs attention: its drill",
        ),
        ({"started_at": None}, "it is the newest proven"),
        ({"started_at": NOW - 90 * DAY}, "its date is unknown"),
        ({"manifest_json": {"backup_metadata": {"timestamp_utc": "soon"}}}, "its date is unknown"),
        ({"manifest_json": {"backup_metadata": {"timestamp_utc": 17}}}, "its date is unknown"),
        ({"backup_path": "app/manual/backup-app-20200101-000000-manual.tar.gz"}, "its date is unknown"),
    ],
    ids=str,
)
def test_what_protects_a_backup_is_said(nas: BackupDestination, fields: dict[str, Any], why: str) -> None:
    rows = daily(nas, 9)
    old = stored(nas, taken_at=NOW - 60 * DAY, **{"verified_at": NOW} | fields)
    assert reason(nas, old).startswith(f"kept because {why}")
    run(nas)
    assert file_of(old).exists()
    assert there(rows) == list(range(8))


def test_a_backup_dated_in_the_future_stays_and_pushes_none_out(nas: BackupDestination) -> None:
    rows = daily(nas, 2, newest=NOW - 30 * DAY)
    future = [stored(nas, taken_at=NOW + age * DAY) for age in (1, 2, 3)]
    assert reason(nas, future[0]) == "kept because its date is in the future"
    run(nas)
    assert there([*rows, *future]) == list(range(5))


def test_while_backups_are_later_than_a_schedule_promises_nothing_goes(nas: BackupDestination) -> None:
    rows = daily(nas, 5, newest=NOW - 30 * DAY)
    others = daily(nas, 5, "app2", newest=NOW - 30 * DAY)
    schedule = BackupSchedule(name="nightly", instance="app", destination=nas, expression="0 2 * * *")
    schedule.save()
    assert reason(nas, rows[4]).startswith("kept because the newest good backup is 29 days older than its schedules")
    run(nas)
    assert (there(rows), there(others)) == ([0, 1, 2, 3, 4], [0, 1])
    fresh = stored(nas, taken_at=NOW - DAY / 2)
    run(nas)
    assert there([fresh, *rows]) == [0, 1, 2, 3, 4, 5]
    fresher = stored(nas, taken_at=NOW - DAY / 4)
    run(nas)
    assert there([fresher, fresh, *rows]) == [0, 1]


def test_a_fresh_adopted_or_safety_backup_does_not_keep_the_promise(nas: BackupDestination) -> None:
    rows = daily(nas, 5, newest=NOW - 30 * DAY)
    BackupSchedule.objects.create(name="nightly", instance="app", destination=nas, expression="0 2 * * *")
    stored(nas, taken_at=NOW - DAY / 2, adopted=True)
    stored(nas, taken_at=NOW - DAY / 3, kind="safety")
    run(nas)
    assert there(rows) == list(range(5))


def test_failed_missing_and_deleted_backups_take_nobodys_place(destination: BackupDestination) -> None:
    ruled(destination, retention_strategy="simple", keep_count=2, min_keep=2)
    rows = daily(destination, 3, newest=NOW - 10 * DAY)
    an_execution("app", destination=destination, status="failed", created_at=NOW)
    for age, fields in enumerate(({"missing_at": NOW}, {"deleted_at": NOW}, {"drill": {"verdict": "failed"}})):
        stored(destination, taken_at=NOW - age * DAY, **fields)
    run(destination)
    assert there(rows) == recorded(rows) == [0, 1]


@pytest.mark.parametrize("role", ["execution", "safety_backup"])
@pytest.mark.parametrize("status", ["queued", "running"])
def test_the_archives_of_a_restore_under_way_stay(nas: BackupDestination, role: str, status: str) -> None:
    old = daily(nas, 12)[11]
    restore = RestoreExecution.objects.create(
        instance="app", status=status, archive_file="/tmp/x", acknowledged_at=NOW, **{role: old}
    )
    assert reason(nas, old) == "kept because it is in use"
    run(nas)
    assert file_of(old).exists()
    RestoreExecution.objects.filter(pk=restore.pk).update(status="completed")
    run(nas)
    assert not file_of(old).exists()


def test_the_safety_backup_of_a_restore_stays_until_somebody_acknowledges_it(nas: BackupDestination) -> None:
    daily(nas, 9)
    safety = stored(nas, taken_at=NOW - 20 * DAY, kind="safety")
    restore = RestoreExecution.objects.create(
        instance="app", status="completed", archive_file="/tmp/x", safety_backup=safety
    )
    assert reason(nas, safety) == "kept because it is the safety backup of a restore that is not acknowledged"
    run(nas)
    assert file_of(safety).exists()
    RestoreExecution.objects.filter(pk=restore.pk).update(acknowledged_at=NOW)
    run(nas)
    assert not file_of(safety).exists()


def test_an_archive_that_is_being_fetched_stays_until_that_ends(nas: BackupDestination, tmp_path: Path) -> None:
    old = daily(nas, 12)[11]
    seen = []

    def look(_: int) -> None:
        seen.append((reason(nas, old), len(run(nas).deleted)))
        with pytest.raises(NotDeletable, match="is in use"):
            delete_backup(BackupExecution.objects.get(pk=old.pk), by="tests", reason="to see")

    fetch(old, tmp_path, progress=look)
    assert seen == [("kept because it is in use", 3)]
    assert file_of(old).exists() and not ArchiveUse.objects.exists()
    assert BackupExecution.objects.get(pk=old.pk).deleting_at is None
    run(nas)
    assert not file_of(old).exists()


def test_a_reader_that_was_killed_holds_an_archive_for_a_day_at_most(nas: BackupDestination) -> None:
    old = daily(nas, 12)[11]
    use = ArchiveUse.objects.create(execution=old, worker="gone:1", since=timezone.now() - LONGEST_USE / 2)
    run(nas)
    assert file_of(old).exists()
    ArchiveUse.objects.filter(pk=use.pk).update(since=timezone.now() - LONGEST_USE - timedelta(minutes=1))
    run(nas)
    assert not file_of(old).exists() and not ArchiveUse.objects.exists()


def test_an_archive_that_is_being_deleted_is_not_read_and_a_killed_deletion_lets_go(nas: BackupDestination) -> None:
    row = stored(nas)
    BackupExecution.objects.update(deleting_at=timezone.now())
    with pytest.raises(BackupError, match="is being deleted right now"), read_lease(row):
        pass
    with pytest.raises(NotDeletable, match="is being deleted by another process"):
        delete_backup(row, by="tests", reason="to see")
    assert not ArchiveUse.objects.exists()
    BackupExecution.objects.update(deleting_at=timezone.now() - LONGEST_DELETION - timedelta(seconds=1))
    with read_lease(row):
        pass
    delete_backup(row, by="tests", reason="to see")
    assert not file_of(row).exists()


def test_a_backup_pinned_after_the_plan_was_made_stays(nas: BackupDestination, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = daily(nas, 12)
    real = BackupDestination.open

    def open_and_pin(self: BackupDestination) -> Any:
        BackupExecution.objects.filter(pk=rows[10].pk).update(pinned=True, pin_reason="just now")
        return real(self)

    monkeypatch.setattr(BackupDestination, "open", open_and_pin)
    pruned = run(nas)
    assert there(rows) == recorded(rows) == [*range(8), 10]
    ((entry, why),) = pruned.spared
    assert (entry.execution.pk, why) == (rows[10].pk, f"{rows[10].backup_filename} is pinned: just now.")
    assert pruned.problem == ""


@pytest.mark.parametrize(("hour", "held"), [(2, False), (4, True)])
def test_retention_and_the_front_page_agree_from_when_on_a_backup_is_late(
    nas: BackupDestination, hour: int, held: bool
) -> None:
    # a Wednesday: the slot of 02:00 is missed, although the longest gap, over the weekend, has not passed
    now = datetime(2026, 3, 4, hour, tzinfo=UTC)
    rows = daily(nas, 12, newest=datetime(2026, 3, 3, 2, 0, 1, tzinfo=UTC))
    BackupSchedule.objects.create(
        name="office", instance="app", destination=nas, expression="0 2 * * 1-5", active_since=NOW - 300 * DAY
    )
    entries = {entry.execution.pk: entry for entry in plan_prune(nas, now).entries}
    oldest = entries[rows[11].pk]
    assert oldest.keep is held
    assert ("older than its schedules allow" in oldest.reason) is held
    limit = freshness_by_instance({"app": rows[0].started_at})["app"].overdue_from
    assert limit is not None
    assert (now > limit) is held
