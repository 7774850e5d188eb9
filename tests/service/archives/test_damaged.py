"""A backup whose only archive is known to be damaged is no good restore point for anything that asks."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from backups.archive.errors import ArchiveError
from backups.models import BackupCopy, BackupExecution, DrillExecution
from backups.service.archives.fetch import fetch_nearest
from backups.service.archives.records.copies import change_copy
from backups.service.archives.records.missing import mark_damaged, mark_missing, mark_returned
from backups.service.copying.start import start_due
from backups.service.drill.run import newest_backup, newest_good_backup
from backups.service.monitoring.lacking import flaws
from backups.service.monitoring.protection import protections
from backups.service.monitoring.restore_points import restore_points_of
from backups.service.retention.plan import plan_prune
from destinations.exceptions import DestinationUnavailable
from destinations.models import BackupDestination
from tests.support.archives.stored import DAY, NOW, file_of, stored
from tests.support.rows import a_copy, a_destination, an_execution

pytestmark = pytest.mark.django_db


def only_copy(backup: BackupExecution) -> BackupCopy:
    return backup.copies.select_related("destination", "execution").get()


@pytest.fixture
def pair() -> tuple[BackupExecution, BackupExecution]:
    """Return an older backup and a newer one, whose only archive is damaged."""
    older, newer = an_execution(age=timedelta(hours=3)), an_execution(age=timedelta(hours=1))
    assert mark_damaged(only_copy(newer), timezone.now(), "Its SHA-256 differs.")
    newer.refresh_from_db()
    return older, newer


def good_of_shop() -> tuple[BackupExecution | None, BackupExecution | None, BackupExecution, int]:
    (protection,) = protections(names=["shop"])
    return protection.good, newest_good_backup("shop"), newest_backup("shop"), restore_points_of("shop").number


def test_whatever_asks_for_a_good_backup_passes_it_over(pair: tuple[BackupExecution, BackupExecution]) -> None:
    older, newer = pair
    assert (newer.is_damaged, newer.lacks_a_copy, newer.flaw) == (True, False, "its archive is damaged")
    assert good_of_shop() == (older, older, older, 1)
    assert (restore_points_of("shop").damaged, flaws().damaged, flaws().lacking) == (1, {"shop": 1}, {})
    # a sound copy elsewhere makes it a good backup again, and one that was repaired too
    copy = a_copy(newer, a_destination("vault"))
    change_copy(copy, position=1)
    newer.refresh_from_db()
    assert (newer.is_damaged, newer.lacks_a_copy, newer.destination.name) == (False, True, "vault")
    assert good_of_shop() == (newer, newer, newer, 2)


def test_where_all_are_damaged_the_newest_one_may_be_drilled_all_the_same() -> None:
    backup = an_execution()
    mark_damaged(only_copy(backup), timezone.now(), "Its SHA-256 differs.")
    assert newest_backup("shop") == backup
    assert newest_good_backup("shop") is None


def test_retention_lets_it_stand_for_no_other_backup(destination: BackupDestination) -> None:
    BackupDestination.objects.filter(pk=destination.pk).update(retention_strategy="simple", keep_count=1, min_keep=1)
    destination.refresh_from_db()
    newest, proven, old = (stored(destination, taken_at=NOW - age * DAY, verified_at=NOW) for age in range(3))
    mark_damaged(only_copy(newest), NOW, "Its SHA-256 differs.")
    entries = {entry.execution.pk: entry for entry in plan_prune(destination, NOW).entries}
    assert "it is damaged here" in entries[newest.pk].reason
    assert (entries[proven.pk].keep, entries[old.pk].keep) == (True, False)


def test_a_damaged_archive_gives_no_verdict_while_a_sound_copy_cannot_be_asked_for(
    destination: BackupDestination, tmp_path: Path
) -> None:
    backup = stored(destination)
    vault = a_destination("vault", config_json={"path": "vault"}, established=True)
    far = a_copy(backup, vault)
    file_of(backup).write_bytes(b"changed")
    with pytest.raises(DestinationUnavailable):
        fetch_nearest(backup, tmp_path)
    far.delete()
    backup.refresh_from_db()
    with pytest.raises(ArchiveError):
        fetch_nearest(backup, tmp_path)


def test_an_archive_that_was_damaged_and_gone_is_repaired_when_it_is_back() -> None:
    backup = an_execution()
    vault = a_destination("vault")
    a_copy(backup, vault)
    copy = backup.copies.select_related("destination", "execution").get(destination__name="nas")
    mark_damaged(copy, timezone.now(), "Its SHA-256 differs.")
    mark_missing(copy, timezone.now())
    mark_returned(copy)
    assert copy.condition == "damaged"
    (run,) = start_due("backups")
    assert run.copy == copy
    assert DrillExecution.objects.count() == 0
