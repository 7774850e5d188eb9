"""Before the export an upload is begun at each remote destination: one that takes none is a missing copy."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from backups.models import BackupExecution, LeftoverPart
from backups.service.backup import kind as backup_service
from backups.service.backup.run import backup_now
from backups.service.copying.run import copy_now
from destinations.backends import TYPES
from destinations.exceptions import DestinationUnavailable
from destinations.models import BackupDestination
from tests.destinations.backends.s3.buckets import s3_options
from tests.destinations.servers.folders.place import PLACES
from tests.support.memory_remote import SERVERS, MemoryRemote
from tests.support.servers.running.accounts import READ_ONLY

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def place(small_shop: Path) -> Path:
    return small_shop


@pytest.fixture
def exports(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets an entry for each export."""
    begun: list[str] = []
    real = backup_service.export_components
    monkeypatch.setattr(backup_service, "export_components", lambda *a, **k: begun.append("export") or real(*a, **k))
    return begun


def remote(type: str, options: dict[str, Any]) -> BackupDestination:
    row = BackupDestination(name="remote", type=type, encryption="allowed", created_by="tests")
    row.configure(options)
    row.save()
    return row


def states(backup: BackupExecution) -> dict[str, str]:
    return dict(backup.copies.values_list("destination__name", "state"))


@pytest.mark.parametrize("type", ["sftp", "vsftpd", "webdav", "s3"])
def test_an_account_that_may_not_write_is_a_missing_copy_and_refused_alone_before_the_export(
    request: pytest.FixtureRequest, destination: BackupDestination, exports: list[str], apart: str, type: str
) -> None:
    with ExitStack() as stack:
        if type == "s3":
            account = remote("s3", s3_options(request.getfixturevalue("moto"), account=READ_ONLY, location=apart))
        else:
            folder = PLACES[type](request, stack)
            folder.make(READ_ONLY)
            account = remote(folder.type.type, folder.options(READ_ONLY) | {"base_path": folder.folder})
        with pytest.raises(DestinationUnavailable) as caught:
            backup_now("shop", account, by="tests")
        assert "begin an upload" in caught.value.message and "right" in caught.value.hint
        assert (exports, BackupExecution.objects.latest().status) == ([], "failed")
        backup = backup_now("shop", [destination, account], by="tests")
    assert (states(backup), len(exports)) == ({"nas": "stored", "remote": "failed"}, 1)
    missing = backup.copies.get(state="failed")
    # it was not found out by the upload, which records what it is about to store
    assert (missing.planned_path, missing.sha256) == ("", "")


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[BackupDestination]:
    monkeypatch.setitem(TYPES, "memory", MemoryRemote)
    SERVERS.pop("opening", None)
    yield remote("memory", {"server": "opening", "path": "x"})
    SERVERS.pop("opening", None)


def refusing(*steps: str) -> Any:
    def before(step: str) -> None:
        if step in steps:
            raise DestinationUnavailable(f"Cannot {step}: the account may not.", "Give it the right.")

    return staticmethod(before)


def test_an_account_that_may_not_delete_gets_one_file_and_not_one_for_each_backup(
    memory: BackupDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryRemote, "before", refusing("discard"))
    first, second = (backup_now("shop", memory, by="tests") for _ in range(2))
    assert (first.status, second.status) == ("completed", "completed")
    (left,) = [path for path in SERVERS["opening"] if path.endswith(".part")]
    assert LeftoverPart.objects.get().path == left.removeprefix("x/")
    # by the token a sweep finds it
    assert f".{first.pk}.part" in left
    with memory.open() as opened:
        monkeypatch.setattr(MemoryRemote, "before", refusing())
        assert opened.sweep(first.pk) == (left.removeprefix("x/"),)


def test_a_copy_run_tries_to_write_before_it_fetches_the_archive(
    destination: BackupDestination, memory: BackupDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = backup_now("shop", destination, by="tests")
    monkeypatch.setattr("backups.service.copying.kind.fetch_nearest", lambda *a, **k: pytest.fail("it was fetched"))
    monkeypatch.setattr(MemoryRemote, "before", refusing("try"))
    with pytest.raises(DestinationUnavailable, match="Cannot try"):
        copy_now(backup, memory, by="tests")
    assert SERVERS["opening"] == {}
