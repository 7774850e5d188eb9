"""Retention where a backup has copies at several destinations: each rule for itself, and never the last sound copy."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from backups.models import BackupCopy, BackupExecution
from backups.service.archives.records.copies import change_copy
from backups.service.retention.plan import plan_prune
from destinations.models import BackupDestination
from tests.support.archives.stored import DAY, NOW, folder_of, put, stored
from tests.support.pruned import reason, ruled, run
from tests.support.rows import a_copy, a_destination

pytestmark = pytest.mark.django_db


@pytest.fixture
def vault(home: Any) -> BackupDestination:
    return a_destination("vault", retention_days=365, min_keep=1)


def copied(nas: BackupDestination, other: BackupDestination, days: int, **fields: Any) -> list[BackupExecution]:
    """Return so many daily backups, the newest first, with an archive at both destinations."""
    rows = [stored(nas, taken_at=NOW - age * DAY) for age in range(days)]
    for row in rows:
        put(other, row.backup_path, (folder_of(nas) / row.backup_path).read_bytes())
        a_copy(row, other, **fields)
    return rows


def there(destination: BackupDestination, rows: list[BackupExecution]) -> list[int]:
    return [number for number, row in enumerate(rows) if (folder_of(destination) / row.backup_path).exists()]


def test_each_destination_follows_its_own_rule(nas: BackupDestination, vault: BackupDestination) -> None:
    ruled(nas, retention_days=2, min_keep=1)
    rows = copied(nas, vault, 6)
    run(nas)
    assert (there(nas, rows), there(vault, rows)) == ([0, 1, 2], [0, 1, 2, 3, 4, 5])
    old = BackupExecution.objects.get(pk=rows[5].pk)
    # its other copy is all there is, and none is missing: the rule deleted the first one
    assert (old.deleted_at, old.destination, old.copies_state) == (None, vault, "all")
    ruled(vault, retention_days=3, min_keep=1)
    run(vault)
    assert there(vault, rows) == [0, 1, 2, 3]
    old.refresh_from_db()
    assert old.deleted_at is not None


@pytest.mark.parametrize(
    "fields",
    [
        {"missing_at": NOW},
        {"damaged_at": NOW},
        {"state": "failed", "path": "", "next_try_at": NOW},
    ],
    ids=["missing", "damaged", "not made yet"],
)
def test_the_last_sound_copy_stays_while_the_rule_elsewhere_keeps_the_backup(
    nas: BackupDestination, vault: BackupDestination, fields: dict[str, Any]
) -> None:
    ruled(nas, retention_days=2, min_keep=1)
    rows = copied(nas, vault, 6)
    copy = rows[5].copies.get(destination=vault)
    BackupCopy.objects.filter(pk=copy.pk).update(**fields)
    assert reason(nas, rows[5]).startswith("kept because it is the last sound copy, and the rule of vault keeps it: ")
    run(nas)
    assert there(nas, rows) == [0, 1, 2, 5]
    # once it is sound there, it goes here
    path = f"app/manual/{rows[5].backup_filename}"
    BackupCopy.objects.filter(pk=copy.pk).update(
        state="stored", path=path, missing_at=None, damaged_at=None, next_try_at=None
    )
    run(nas)
    assert there(nas, rows) == [0, 1, 2]


def test_it_goes_where_no_rule_keeps_it(nas: BackupDestination, vault: BackupDestination) -> None:
    ruled(nas, retention_days=2, min_keep=1)
    ruled(vault, retention_days=3, min_keep=1)
    rows = copied(nas, vault, 6)
    for row in rows[4:]:
        row.copies.filter(destination=vault).update(missing_at=NOW)
    run(nas)
    assert there(nas, rows) == [0, 1, 2]


def test_a_copy_that_is_not_tried_again_holds_nothing(nas: BackupDestination, vault: BackupDestination) -> None:
    ruled(nas, retention_days=2, min_keep=1)
    rows = copied(nas, vault, 6, state="failed", path="")
    run(nas)
    assert there(nas, rows) == [0, 1, 2]


def test_one_that_becomes_the_last_sound_copy_since_the_plan_is_spared(
    nas: BackupDestination, vault: BackupDestination
) -> None:
    ruled(nas, retention_days=2, min_keep=1)
    rows = copied(nas, vault, 4)
    real = BackupDestination.open

    def open_and_lose(self: BackupDestination) -> Any:
        BackupCopy.objects.filter(destination=vault).update(damaged_at=NOW)
        return real(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BackupDestination, "open", open_and_lose)
        pruned = run(nas)
    assert there(nas, rows) == [0, 1, 2, 3]
    assert pruned.deleted == []


def test_a_locked_copy_is_kept_until_its_lock_ends(nas: BackupDestination) -> None:
    ruled(nas, retention_days=2, min_keep=1)
    rows = [stored(nas, taken_at=NOW - age * DAY) for age in range(4)]
    copy = rows[3].copies.get()
    change_copy(copy, locked_until=NOW + timedelta(days=1))
    assert reason(nas, rows[3]).startswith("kept because locked until 2026-04-01 12:00 UTC")
    change_copy(copy, locked_until=NOW - timedelta(days=1))
    assert reason(nas, rows[3]).startswith("goes because")


def test_a_damaged_copy_replaces_no_other_backup(nas: BackupDestination) -> None:
    ruled(nas, retention_strategy="simple", retention_days=None, keep_count=1, min_keep=1)
    rows = [stored(nas, taken_at=NOW - age * DAY) for age in range(3)]
    rows[0].copies.update(damaged_at=timezone.now())
    entries = {entry.execution.pk: entry for entry in plan_prune(nas, NOW).entries}
    assert "it is damaged here" in entries[rows[0].pk].reason
    assert entries[rows[1].pk].keep
    assert not entries[rows[2].pk].keep
