"""Retention at work, on real files."""

import logging
import signal
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from backups.errors import BackupError, NotDeletable
from backups.models import ArchiveUse, BackupExecution, BackupSchedule, RestoreExecution
from backups.service.archives.delete import delete_backup
from backups.service.archives.fetch import fetch
from backups.service.archives.leases import LONGEST_DELETION, LONGEST_USE, read_lease
from backups.service.retention.plan import plan_prune
from backups.service.retention.prune import Pruned, prune
from backups.service.retention.rules import Backup, decide
from destinations.backends.local import LocalDestination
from destinations.exceptions import DestinationUnavailable
from destinations.lib.os_signals import TerminationRequested, graceful_termination
from destinations.models import BackupDestination
from tests.support.archives.stored import DAY, NOW, daily, file_of, folder_of, recorded, stored, there
from tests.support.rows import an_execution
from tests.support.site_fixtures import BackUp
from tests.support.undeletable_folder import read_only

pytestmark = pytest.mark.django_db


def ruled(destination: BackupDestination, **columns: Any) -> BackupDestination:
    for column, value in columns.items():
        setattr(destination, column, value)
    destination.full_clean()
    destination.save()
    return destination


@pytest.fixture
def nas(destination: BackupDestination) -> BackupDestination:
    """A destination that keeps seven days, and two backups whatever happens."""
    return ruled(destination, retention_days=7, min_keep=2)


def run(destination: BackupDestination, **options: Any) -> Pruned:
    return prune(destination, by="tests", now=NOW, **options)


def reason(destination: BackupDestination, execution: BackupExecution) -> str:
    entries = plan_prune(destination, NOW).entries
    return next(entry.reason for entry in entries if entry.execution.pk == execution.pk)


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
        ({"backup_filename": "backup-app-20200101-000000-manual.tar.gz"}, "its date is unknown"),
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
    assert reason(nas, rows[4]).startswith("kept because the newest good backup is 28 days older than its schedules")
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


def test_a_deletion_that_fails_leaves_the_row_and_says_so_and_the_others_go(nas: BackupDestination) -> None:
    rows = daily(nas, 12)
    file_of(rows[9]).unlink()
    file_of(rows[9]).mkdir()
    pruned = run(nas)
    assert recorded(rows) == [*range(8), 9]
    assert BackupExecution.objects.get(pk=rows[9].pk).deleting_at is None
    assert rows[9].backup_filename in pruned.problem and "at nas: " in pruned.problem
    assert "is not a regular file." in pruned.problem


def test_a_place_where_nothing_can_be_deleted_is_given_up_after_three_attempts(
    nas: BackupDestination, caplog: pytest.LogCaptureFixture
) -> None:
    rows = daily(nas, 14)
    with read_only(folder_of(nas) / "app/manual"), caplog.at_level(logging.ERROR, "backups"):
        pruned = run(nas)
    assert there(rows) == recorded(rows) == list(range(14))
    assert len(pruned.failed) == 6
    assert [why for _, why in pruned.failed[3:]] == ["It was not tried after so many failures."] * 3
    assert "and 5 more could not be deleted at nas: " in pruned.problem
    assert "retention.failed destination=nas" in caplog.text


def test_archives_that_the_destination_lost_keep_the_older_ones_alive(nas: BackupDestination) -> None:
    ruled(nas, retention_days=7, min_keep=3)
    rows = [*daily(nas, 3), *daily(nas, 4, newest=NOW - 30 * DAY)]
    for lost in rows[:3]:
        file_of(lost).unlink()
    pruned = run(nas)
    assert there(rows) == [3, 4, 5]
    assert pruned.warnings == [
        f"{row.backup_filename} is recorded, but nas does not have it: run importbackups nas." for row in rows[:3]
    ]
    assert BackupExecution.objects.get(pk=rows[0].pk).deleted_at is None


def test_an_archive_of_another_size_than_was_uploaded_keeps_the_older_ones_alive(nas: BackupDestination) -> None:
    ruled(nas, retention_days=7, min_keep=1)
    newest, old = stored(nas), stored(nas, taken_at=NOW - 30 * DAY)
    file_of(newest).write_bytes(b"cut")
    (warning,) = run(nas).warnings
    assert warning.startswith(f"{newest.backup_filename} has 3 B at nas, where ")
    assert there([newest, old]) == [0, 1]


def test_adopted_archives_in_other_folders_are_found_by_name(nas: BackupDestination) -> None:
    ruled(nas, retention_days=7, min_keep=1)
    newest, old = stored(nas), stored(nas, taken_at=NOW - 30 * DAY)
    target = folder_of(nas) / "elsewhere/copy.tar.gz"
    target.parent.mkdir()
    file_of(newest).rename(target)
    BackupExecution.objects.filter(pk=newest.pk).update(backup_path="elsewhere/copy.tar.gz")
    pruned = run(nas)
    assert pruned.warnings == []
    assert target.exists() and not file_of(old).exists()


def test_an_archive_that_was_gone_already_is_recorded_as_such(nas: BackupDestination) -> None:
    rows = daily(nas, 9)
    file_of(rows[8]).unlink()
    run(nas)
    assert BackupExecution.objects.get(pk=rows[8].pk).deleted_reason.endswith("(it was missing already)")


def test_an_error_while_listing_deletes_nothing(nas: BackupDestination) -> None:
    rows = daily(nas, 12)
    BackupDestination.objects.update(established=True)
    nas.refresh_from_db()
    away = folder_of(nas).rename(folder_of(nas).with_name("away"))
    with pytest.raises(DestinationUnavailable, match="is gone, although archives were stored"):
        run(nas)
    away.rename(folder_of(nas))
    assert there(rows) == recorded(rows) == list(range(12))


def test_nothing_goes_where_fewer_than_min_keep_would_remain_since_the_plan(nas: BackupDestination) -> None:
    rows = daily(nas, 4, newest=NOW - 30 * DAY)
    real = BackupDestination.open
    stolen = iter([rows[0].pk])

    def open_and_lose(self: BackupDestination) -> Any:
        BackupExecution.objects.filter(pk__in=stolen).update(deleted_at=NOW)
        return real(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BackupDestination, "open", open_and_lose)
        pruned = run(nas)
    assert len(pruned.deleted) == 1
    assert [why for _, why in pruned.spared] == ["Fewer than 2 good backups of app would remain."]


def test_what_is_left_when_time_is_up_waits_for_the_next_run(nas: BackupDestination) -> None:
    rows = daily(nas, 10)
    pruned = run(nas, until=timezone.now())
    assert (len(pruned.waiting), pruned.deleted, pruned.problem) == (2, [], "")
    assert there(rows) == list(range(10))
    assert len(run(nas, until=timezone.now() + DAY).deleted) == 2


@pytest.mark.django_db(transaction=True)
def test_two_prunes_at_once_delete_each_archive_once_and_keep_the_rest(nas: BackupDestination) -> None:
    rows = daily(nas, 30)
    results: list[Pruned] = []
    barrier = threading.Barrier(2)

    def work() -> None:
        barrier.wait()
        try:
            results.append(run(BackupDestination.objects.get(pk=nas.pk)))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(results) == 2
    assert there(rows) == recorded(rows) == list(range(8))
    deleted = [entry.execution.pk for result in results for entry in result.deleted]
    assert sorted(deleted) == sorted(row.pk for row in rows[8:])
    assert [result.failed for result in results] == [[], []]


def test_a_backup_is_followed_by_retention_of_its_instance_only(
    tacacs_root: Path, nas: BackupDestination, back_up: BackUp, settings: Settings
) -> None:
    settings.BACKUP_DROP_IGNORE = ["*"]  # the older ones are of another service
    now = timezone.now()
    ours = daily(nas, 3, "tacacs-hq", newest=now - 30 * DAY)
    others = daily(nas, 5, "other", newest=now - 30 * DAY)
    execution = back_up()
    assert (execution.status, execution.warnings) == ("completed", [])
    assert (there(ours), there(others)) == ([0], list(range(5)))
    gone = BackupExecution.objects.get(pk=ours[2].pk)
    assert gone.deleted_reason.startswith("goes because it is older than 7 days")


def test_a_safety_backup_and_a_failed_backup_are_followed_by_nothing(
    tacacs_root: Path, nas: BackupDestination, back_up: BackUp
) -> None:
    old = daily(nas, 5, "tacacs-hq", newest=timezone.now() - 30 * DAY)
    back_up(kind=BackupExecution.Kind.SAFETY)
    assert there(old) == list(range(5))
    (tacacs_root / "data/devices.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(BackupError):
        back_up()
    assert there(old) == list(range(5))


def test_a_failure_of_retention_is_a_warning_on_a_completed_backup(
    tacacs_root: Path,
    nas: BackupDestination,
    back_up: BackUp,
    caplog: pytest.LogCaptureFixture,
    settings: Settings,
) -> None:
    settings.BACKUP_DROP_IGNORE = ["*"]  # the older ones are of another service
    old = daily(nas, 5, "tacacs-hq", newest=timezone.now() - 30 * DAY)
    file_of(old[4]).unlink()
    file_of(old[4]).mkdir()
    with caplog.at_level(logging.ERROR, "backups"):
        execution = back_up()
    row = BackupExecution.objects.get(pk=execution.pk)
    assert (row.status, row.has_archive) == ("completed", True)
    assert len(row.warnings) == 1 and "could not be deleted at nas" in row.warnings[0]
    assert "retention.failed" in caplog.text


def test_a_wrong_rule_of_the_site_is_a_warning_on_a_completed_backup(
    tacacs_root: Path, destination: BackupDestination, back_up: BackUp, settings: Settings
) -> None:
    settings.BACKUP_RETENTION = {"strategy": "sometimes"}
    execution = back_up()
    assert execution.status == "completed"
    assert execution.warnings == [
        "Old backups were not pruned: The retention of nas cannot work: The retention strategy 'sometimes' is unknown."
    ]


def test_a_plan_of_many_rows_takes_few_queries(
    nas: BackupDestination, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    for _ in range(200):
        an_execution("app", destination=nas)
    with django_assert_max_num_queries(8):
        plan = plan_prune(nas, NOW)
    assert len(plan.entries) == 200


def test_a_deletion_that_a_signal_strikes_is_recorded_before_the_process_ends(
    back_up: BackUp, tacacs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = back_up()
    file, real = file_of(backup), LocalDestination.delete

    def delete_and_hang_up(self: LocalDestination, path: str) -> None:
        real(self, path)
        signal.raise_signal(signal.SIGHUP)

    monkeypatch.setattr(LocalDestination, "delete", delete_and_hang_up)
    with pytest.raises(TerminationRequested), graceful_termination():
        delete_backup(backup, by="tests", reason="test")
    backup.refresh_from_db()
    assert (file.exists(), backup.deleted_at is not None, backup.deleting_at) == (False, True, None)
