"""Before a copy is deleted for the sake of a sound one elsewhere, the other destination is asked for that."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from backups.models import BackupCopy, BackupExecution
from destinations.backends.local import LocalDestination
from destinations.models import BackupDestination
from tests.support.archives.stored import DAY, NOW, folder_of, put, stored
from tests.support.pruned import ruled, run
from tests.support.rows import a_copy, a_destination

pytestmark = pytest.mark.django_db


@pytest.fixture
def vault(home: Path) -> BackupDestination:
    return a_destination("vault", retention_days=365, min_keep=1, established=True)


@pytest.fixture
def rows(nas: BackupDestination, vault: BackupDestination) -> list[BackupExecution]:
    """Return four daily backups, with an archive at both; the rule of the nas keeps the first three."""
    ruled(nas, retention_days=2, min_keep=1)
    rows = [stored(nas, taken_at=NOW - age * DAY) for age in range(5)]
    for row in rows:
        put(vault, row.backup_path, (folder_of(nas) / row.backup_path).read_bytes())
        a_copy(row, vault)
    return rows


def there(destination: BackupDestination, rows: list[BackupExecution]) -> list[int]:
    return [number for number, row in enumerate(rows) if (folder_of(destination) / row.backup_path).exists()]


def conditions(destination: BackupDestination) -> list[str]:
    return [copy.condition for copy in destination.copies.order_by("-execution__started_at")]


def test_one_that_is_gone_there_stays_here_and_is_to_be_made_again(
    nas: BackupDestination, vault: BackupDestination, rows: list[BackupExecution]
) -> None:
    (folder_of(vault) / rows[4].backup_path).unlink()
    with (folder_of(vault) / rows[3].backup_path).open("ab") as file:
        file.write(b"more")
    pruned = run(nas)
    assert (there(nas, rows), pruned.failed) == ([0, 1, 2, 3, 4], [])
    assert len(pruned.spared) == 2
    assert conditions(vault) == ["stored", "stored", "stored", "damaged", "missing"]
    assert BackupCopy.objects.filter(destination=vault, next_try_at__isnull=False).count() == 2


def test_while_the_other_destination_does_not_answer_nothing_goes_for_its_sake(
    nas: BackupDestination, vault: BackupDestination, rows: list[BackupExecution], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = LocalDestination.stat

    def stat(self: LocalDestination, path: str) -> Any:
        if self.options["path"] == "vault":
            asked.append(path)
        return real(self, path)

    monkeypatch.setattr(LocalDestination, "stat", stat)
    shutil.move(folder_of(vault), folder_of(vault).with_name("unmounted"))
    pruned = run(nas)
    assert there(nas, rows) == [0, 1, 2, 3, 4]
    assert all("vault could not be asked" in why for _, why in pruned.spared)
    # the first attempt, which may last until a timeout, is the only one
    assert (len(pruned.spared), len(asked)) == (2, 1)
    assert conditions(vault) == ["stored"] * 5
    shutil.move(folder_of(vault).with_name("unmounted"), folder_of(vault))
    run(nas)
    assert there(nas, rows) == [0, 1, 2]
    # only what was about to be deleted was asked for
    assert sorted(asked[1:]) == sorted(row.backup_path for row in rows[3:])


def test_a_disabled_destination_is_asked_too_and_an_unsound_copy_there_still_waits_for_a_repair(
    nas: BackupDestination, vault: BackupDestination, rows: list[BackupExecution]
) -> None:
    BackupDestination.objects.filter(pk=vault.pk).update(enabled=False)
    rows[4].copies.filter(destination=vault).update(missing_at=NOW)
    run(nas)
    assert there(nas, rows) == [0, 1, 2, 4]


def test_where_no_rule_keeps_the_backup_nobody_is_asked(
    nas: BackupDestination, vault: BackupDestination, rows: list[BackupExecution]
) -> None:
    ruled(vault, retention_days=2, min_keep=1)
    shutil.rmtree(folder_of(vault))
    assert len(run(nas).deleted) == 2
    assert there(nas, rows) == [0, 1, 2]


def test_what_pruning_finds_gone_or_changed_here_is_marked_too(
    nas: BackupDestination, vault: BackupDestination, rows: list[BackupExecution]
) -> None:
    (folder_of(nas) / rows[0].backup_path).unlink()
    with (folder_of(nas) / rows[1].backup_path).open("ab") as file:
        file.write(b"more")
    assert len(run(nas).warnings) == 2
    assert conditions(nas)[:2] == ["missing", "damaged"]
    rows[0].refresh_from_db()
    # the other copy is what is left of it
    assert (rows[0].destination, rows[0].copies_state) == (vault, "missing")
