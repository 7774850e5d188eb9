"""What the daily pass meets: folders of other hosts, archives that are gone, and stores that refuse some of them."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from backups.models import BackupCopy, BackupExecution
from backups.service.retention.daily import run_due, run_pass, tend
from backups.service.retention.rules.backup import WITHOUT_END
from destinations.backends.base import StoredFile
from destinations.backends.local import LocalDestination
from destinations.exceptions import ConnectionLost, DestinationError, DestinationUnavailable, NotFound
from destinations.models import BackupDestination
from tests.support.archives.stored import NOW, daily, file_of
from tests.support.pruned import ruled
from tests.support.rows import an_execution
from tests.support.site_fixtures import Declare

pytestmark = pytest.mark.django_db
Lock = Callable[[LocalDestination, str, object], StoredFile]


def condition(backup: BackupExecution) -> str:
    return BackupCopy.objects.get(execution=backup).condition


@pytest.fixture
def renewed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str], None]], list[str]]:
    """Return a function that gives local folders locks which are renewed, after a step that may fail."""

    def with_step(step: Callable[[str], None]) -> list[str]:
        asked: list[str] = []

        def lock(self: LocalDestination, path: str, until: object) -> StoredFile:
            asked.append(path)
            step(path)
            return self.stat(path)

        monkeypatch.setattr(LocalDestination, "renewed_for", timedelta(days=30))
        monkeypatch.setattr(LocalDestination, "lock", lock)
        return asked

    return with_step


def test_a_local_folder_is_visited_only_by_the_host_whose_archives_lie_there(
    destination: BackupDestination, home: Path, declare: Declare
) -> None:
    declare(
        f'[app]\nkind = "generic"\nroot = "{home}"\nqueue = "branch"\ncomponents.x = {{kind = "files", path = "x"}}'
    )
    rows = daily(ruled(destination, retention_days=30, min_keep=1), 3)
    # one of the host of the default queue once, as no host lists its instance any more
    an_execution("removed", destination=destination)
    for row in rows:
        file_of(row).unlink()
    assert run_due("backups") == []
    assert {condition(row) for row in rows} == {"stored"}
    assert run_due("branch") == [destination]


def test_while_the_instances_file_cannot_be_read_a_folder_of_another_host_is_not_visited(
    destination: BackupDestination, declare: Declare
) -> None:
    rows = daily(ruled(destination, retention_days=30, min_keep=1), 3)
    old = daily(destination, 1, newest=NOW - timedelta(days=100))
    declare("[app")
    kept = file_of(rows[0]).read_bytes()
    file_of(rows[0]).unlink()
    assert run_due("backups") == []
    assert {condition(row) for row in [*rows, *old]} == {"stored"}

    # with the archives of the queue that is not known it is the folder of this host
    file_of(rows[0]).write_bytes(kept)
    assert run_due("backups") == [destination]
    assert not file_of(old[0]).exists()


@pytest.mark.parametrize("lost", [None, 0, 2])
def test_a_local_folder_that_hosts_share_is_visited_by_any_of_them(
    destination: BackupDestination, home: Path, declare: Declare, lost: int | None
) -> None:
    declare(
        f'[app]\nkind = "generic"\nroot = "{home}"\nqueue = "branch"\ncomponents.x = {{kind = "files", path = "x"}}\n'
    )
    # the worker of the queue of app is gone; the other queue has archives there too
    theirs = daily(ruled(destination, retention_days=30, min_keep=1), 3)
    daily(destination, 1, "removed")
    if lost is None:
        old = daily(destination, 1, newest=NOW - timedelta(days=100))
        assert run_due("backups") == [destination]
        assert not file_of(old[0]).exists()
    else:
        # the newest or the oldest is not in the folder here, which then is another one
        file_of(theirs[lost]).unlink()
        assert run_due("backups") == []
        assert condition(theirs[lost]) == "stored"


@pytest.mark.parametrize(("append_only", "found"), [(False, "missing"), (True, "deleted")])
def test_an_archive_that_is_gone_is_recorded_when_its_hold_is_looked_at(
    destination: BackupDestination, append_only: bool, found: str
) -> None:
    rows = daily(ruled(destination, retention_days=3650, min_keep=1), 2)
    if append_only:
        destination.configure({"path": "nas", "append_only": True})
        ruled(destination, retention_days=1)
    BackupCopy.objects.update(locked_until=WITHOUT_END)
    file_of(rows[1]).unlink()
    assert f"1 {'deleted by the store' if append_only else 'missing'}" in run_pass(destination).outcome
    assert condition(rows[1]) == found


def test_what_a_store_lacks_for_a_lock_makes_no_archive_missing(
    destination: BackupDestination, renewed: Callable[[Callable[[str], None]], list[str]]
) -> None:
    (row,) = daily(destination, 1)

    def unset(path: str) -> None:
        raise NotFound("The bucket has no setting for locks.")

    renewed(unset)
    assert run_pass(destination).problem == f"{row.backup_path}: The bucket has no setting for locks."
    assert condition(row) == "stored"


@pytest.mark.parametrize(
    ("error", "asked", "done"),
    [(DestinationError, 6, 3), (DestinationUnavailable, 6, 3), (ConnectionLost, 3, 0)],
)
def test_archives_that_are_refused_do_not_keep_the_others_from_being_tended(
    destination: BackupDestination,
    renewed: Callable[[Callable[[str], None]], list[str]],
    error: type[DestinationError],
    asked: int,
    done: int,
) -> None:
    first = {row.backup_path for row in daily(destination, 6)[:3]}

    def refuse(path: str) -> None:
        if path in first:
            raise error(f"{path} is refused.")

    paths = renewed(refuse)
    tended = tend(destination)
    assert len([path for path in paths if path.endswith(".gz")]) == asked
    assert (len(tended.renewed), len(tended.failed)) == (done, 3)


def test_many_failures_are_counted_and_the_first_are_named(
    destination: BackupDestination, renewed: Callable[[Callable[[str], None]], list[str]]
) -> None:
    daily(destination, 13)

    def refuse(path: str) -> None:
        raise DestinationError("It is refused.")

    renewed(refuse)
    tended = tend(destination)
    assert (len(tended.failed), tended.more_failed) == (10, 3)
    assert "and 12 more" in tended.problem
