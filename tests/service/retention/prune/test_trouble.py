"""Deletions that fail, archives that are gone, and two prunes at once."""

import logging
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from backups.models import BackupCopy, BackupExecution
from backups.service.archives.records.delete import delete_backup
from backups.service.retention.prune import Pruned
from destinations.backends.local import LocalDestination
from destinations.exceptions import DestinationUnavailable
from destinations.lib.os_signals import TerminationRequested, graceful_termination
from destinations.models import BackupDestination
from tests.support.archives.stored import DAY, NOW, daily, file_of, folder_of, recorded, stored, there
from tests.support.pruned import ruled, run
from tests.support.rows import recopied
from tests.support.site_fixtures import BackUp
from tests.support.undeletable_folder import read_only

pytestmark = pytest.mark.django_db


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
    recopied()
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
        for pk in stolen:
            BackupExecution.objects.filter(pk=pk).update(deleted_at=NOW)
            BackupCopy.objects.filter(execution=pk).update(state="deleted")
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
