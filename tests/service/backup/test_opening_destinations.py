"""Before the export each destination is opened, all of them side by side; whatever one raises is about that one."""

import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from backups.errors import Cancelled
from backups.models import BackupCopy, BackupExecution
from backups.runs.finish import cancel
from backups.service.archives.fetch import fetch_nearest
from backups.service.backup import kind as backup_service
from backups.service.backup import upload
from backups.service.backup.run import backup_now, run_backup
from backups.service.backup.start import start_backup
from destinations.backends.local import LocalDestination
from destinations.exceptions import DestinationFull, DestinationUnavailable
from destinations.lib.operator_error import OperatorError
from destinations.models import BackupDestination
from tests.support.file_systems import remount_read_only, small_disk
from tests.support.rows import a_destination

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def place(small_shop: Path) -> Path:
    return small_shop


@pytest.fixture
def pair(destination: BackupDestination) -> list[BackupDestination]:
    return [destination, a_destination("vault")]


def states(backup: BackupExecution) -> dict[str, str]:
    return dict(backup.copies.values_list("destination__name", "state"))


def at_vault(monkeypatch: pytest.MonkeyPatch, method: str, action: Callable[[], object]) -> None:
    """Let `method` of the destination vault be `action`."""
    real = getattr(LocalDestination, method)

    def instead(self: LocalDestination, *args: Any, **options: Any) -> object:
        return action() if self.options["path"] == "vault" else real(self, *args, **options)

    monkeypatch.setattr(LocalDestination, method, instead)


def crash() -> None:
    raise ZeroDivisionError("a secret")


@pytest.mark.parametrize("method", ["require_reachable", "free_space", "put"])
def test_an_unexpected_error_of_one_destination_is_a_failed_copy_with_a_traceback_in_the_log(
    pair: list[BackupDestination], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    at_vault(monkeypatch, method, crash)
    backup = backup_now("shop", pair, by="tests")
    assert (backup.status, states(backup)) == ("completed", {"nas": "stored", "vault": "failed"})
    assert backup.copies.get(state="failed").error == "Unexpected error ZeroDivisionError, see the log."
    (record,) = [record for record in caplog.records if record.getMessage().startswith("copy.crashed")]
    assert record.levelno == logging.ERROR and "destination=vault" in record.getMessage()
    assert record.exc_info and record.exc_info[0] is ZeroDivisionError


def test_a_backup_fails_when_every_destination_raises_something_unexpected(
    pair: list[BackupDestination], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalDestination, "require_reachable", lambda _: crash())
    with pytest.raises(OperatorError):
        backup_now("shop", pair, by="tests")
    backup = BackupExecution.objects.get()
    assert (backup.status, states(backup)) == ("failed", {"nas": "failed", "vault": "failed"})
    assert "a secret" not in backup.error_message


def test_an_unexpected_error_of_one_destination_is_passed_over_when_a_copy_is_read(
    pair: list[BackupDestination], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    backup = backup_now("shop", pair[::-1], by="tests")
    at_vault(monkeypatch, "get", crash)
    BackupDestination.objects.filter(name="nas").update(position=5)
    fetched = fetch_nearest(backup, tmp_path)
    assert (fetched.copy.destination.name, len(fetched.notes)) == ("nas", 1)


def test_a_path_that_another_row_has_at_one_destination_does_not_stop_the_others(
    pair: list[BackupDestination], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    real = upload.record

    def taken(backup: BackupExecution, copy: BackupCopy, path: str, *rest: Any) -> None:
        if copy.destination.name == "nas":
            other = BackupExecution.objects.create(instance="shop", destination=copy.destination, status="failed")
            BackupCopy.objects.create(
                execution=other, destination=copy.destination, state="stored", path=path, sha256="0" * 64
            )
        real(backup, copy, path, *rest)

    monkeypatch.setattr(upload, "record", taken)
    backup = backup_now("shop", pair, by="tests")
    assert (backup.status, states(backup)) == ("completed", {"nas": "failed", "vault": "stored"})
    backup.refresh_from_db()
    assert backup.destination == pair[1]
    assert (home / "backups" / "vault" / backup.backup_path).exists()


def test_destinations_are_opened_side_by_side(pair: list[BackupDestination], monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(2, timeout=20)
    monkeypatch.setattr(LocalDestination, "require_reachable", lambda _: together.wait())
    assert backup_now("shop", pair, by="tests").copies_state == "all"


@pytest.fixture
def mute(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let the destination vault not answer before the test ends; the event says that it was asked."""
    asked, ended = threading.Event(), threading.Event()

    def wait() -> None:
        asked.set()
        ended.wait(20)

    at_vault(monkeypatch, "require_reachable", wait)
    yield asked
    ended.set()


def test_a_cancel_does_not_wait_for_a_destination_that_does_not_answer(
    pair: list[BackupDestination], mute: threading.Event
) -> None:
    backup = start_backup("shop", pair, by="tests")

    def stop() -> None:
        mute.wait(20)
        cancel(BackupExecution.objects.get(pk=backup.pk), by="alice")
        connection.close()

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(Cancelled):
        run_backup(backup.pk)
    thread.join()
    backup.refresh_from_db()
    assert backup.status == "cancelled"


@pytest.fixture
def exports(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets an entry for each export."""
    begun: list[str] = []
    real = backup_service.export_components
    monkeypatch.setattr(backup_service, "export_components", lambda *a, **k: begun.append("export") or real(*a, **k))
    return begun


@pytest.mark.parametrize(
    ("how", "error"),
    [("gone", DestinationUnavailable), ("read-only", DestinationUnavailable), ("full", DestinationFull)],
)
def test_a_destination_that_cannot_take_the_archive_is_a_missing_copy_and_refused_alone_before_the_export(
    pair: list[BackupDestination], home: Path, exports: list[str], how: str, error: type[Exception]
) -> None:
    vault = home / "backups" / "vault"
    with small_disk(vault, megabytes=2):
        backup_now("shop", pair, by="tests")
        make_unusable(how, vault)
        exports.clear()
        backup = backup_now("shop", pair, by="tests")
        assert (states(backup), len(exports)) == ({"nas": "stored", "vault": "failed"}, 1)
        assert backup.copies.get(state="failed").error_hint
        exports.clear()
        with pytest.raises(error):
            backup_now("shop", pair[1], by="tests")
        assert (exports, BackupExecution.objects.latest().status) == ([], "failed")


def make_unusable(how: str, disk: Path) -> None:
    if how == "gone":
        shutil.rmtree(disk / "shop")
    elif how == "read-only":
        remount_read_only(disk)
    else:
        (disk / "theirs").write_bytes(bytes(shutil.disk_usage(disk).free - 100_000))
