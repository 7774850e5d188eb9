"""Archives at a destination whose upload has no known end: each is recorded or removed, whatever ended the run."""

import hashlib
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from django.utils import timezone

from backups.errors import Cancelled
from backups.models import BackupCopy, BackupExecution
from backups.runs.recovery.reap import reap, tidy
from backups.service.archives.signatures import State, signature_state
from backups.service.backup import side_by_side
from backups.service.backup.run import backup_now
from backups.service.backup.settle import LATER, RETRY, settle_uploads
from backups.service.catalogue.sync import import_backups
from destinations.backends.local import LocalDestination
from destinations.exceptions import ConnectionLost, DestinationUnavailable
from destinations.models import BackupDestination, read_today
from destinations.transfer.paths import part_name
from tests.support.archives.stored import NOW, put
from tests.support.rows import a_copy, a_destination, a_drill, a_manifest, an_execution

pytestmark = pytest.mark.django_db(transaction=True)
Listing = Callable[[], list[str]]


@pytest.fixture(autouse=True)
def place(small_shop: Path) -> Path:
    return small_shop


@pytest.fixture
def pair(destination: BackupDestination) -> list[BackupDestination]:
    return [destination, a_destination("vault")]


def at(backup: BackupExecution, name: str) -> BackupCopy:
    return backup.copies.select_related("destination").get(destination__name=name)


def lose_vault(monkeypatch: pytest.MonkeyPatch, *, deletes: bool = False) -> None:
    """Let the connection to the vault break when the archive is there, before its signature."""
    real_put, real_delete = LocalDestination.put, LocalDestination.delete

    def put(self: LocalDestination, source: BinaryIO, path: str, **options: Any) -> object:
        if self.options["path"] == "vault" and path.endswith(".minisig"):
            raise ConnectionLost("The vault is gone.")
        return real_put(self, source, path, **options)

    def delete(self: LocalDestination, path: str) -> None:
        if self.options["path"] == "vault" and not deletes:
            raise ConnectionLost("The vault is gone.")
        real_delete(self, path)

    monkeypatch.setattr(LocalDestination, "put", put)
    monkeypatch.setattr(LocalDestination, "delete", delete)


def test_an_archive_that_could_not_be_removed_becomes_the_copy_that_was_missing(
    pair: list[BackupDestination], archives: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        lose_vault(patch)
        backup = backup_now("shop", pair, by="tests")
    copy = at(backup, "vault")
    assert (copy.state, copy.planned_path in copy.error) == ("failed", True)
    assert f"vault/{copy.planned_path}" in archives()
    assert [one.pk for one in settle_uploads()] == [copy.pk]
    copy = at(backup, "vault")
    assert (copy.condition, copy.planned_path, copy.error, copy.next_try_at) == ("stored", "", "", None)
    backup.refresh_from_db()
    assert backup.copies_state == "all"
    BackupCopy.objects.filter(pk=at(backup, "nas").pk).update(missing_at=timezone.now())
    assert signature_state(backup).state is State.SIGNED


@pytest.mark.parametrize("alone", [False, True])
def test_where_nothing_is_deleted_it_becomes_a_copy_or_is_left_to_the_catalogue(
    pair: list[BackupDestination], monkeypatch: pytest.MonkeyPatch, archives: Listing, alone: bool
) -> None:
    pair[1].configure({"append_only": True})
    pair[1].save()
    with monkeypatch.context() as patch:
        lose_vault(patch, deletes=True)
        if alone:
            with pytest.raises(ConnectionLost):
                backup_now("shop", pair[1], by="tests")
        else:
            backup_now("shop", pair, by="tests")
    assert BackupCopy.objects.get(destination=pair[1]).planned_path
    assert len(settle_uploads()) == (0 if alone else 1)
    copy = BackupCopy.objects.get(destination=pair[1])
    assert (copy.state, copy.planned_path) == ("failed" if alone else "stored", "")
    assert len(archives()) == (1 if alone else 2)


def test_an_archive_whose_clean_up_succeeded_is_not_looked_for(
    pair: list[BackupDestination], archives: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        lose_vault(patch, deletes=True)
        backup = backup_now("shop", pair, by="tests")
    assert archives() == [f"nas/{backup.backup_path}"]
    assert (at(backup, "vault").planned_path, at(backup, "vault").error) == ("", "The vault is gone.")


def test_the_archive_of_a_failed_backup_is_removed(
    pair: list[BackupDestination], archives: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        lose_vault(patch)
        with pytest.raises(ConnectionLost):
            backup_now("shop", pair[1], by="tests")
    assert len(archives()) == 1
    settle_uploads()
    assert archives() == []
    backup = BackupExecution.objects.get()
    assert (backup.status, at(backup, "vault").planned_path) == ("failed", "")


def test_an_archive_that_was_published_by_an_upload_whose_answer_was_lost_is_removed(
    destination: BackupDestination, archives: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = LocalDestination.put

    def put(self: LocalDestination, *args: Any, **options: Any) -> object:
        real(self, *args, **options)
        raise ConnectionLost("The answer was lost.")

    with monkeypatch.context() as patch:
        patch.setattr(LocalDestination, "put", put)
        with pytest.raises(ConnectionLost):
            backup_now("shop", destination, by="tests")
    assert len(archives()) == 1
    settle_uploads()
    assert archives() == []


def test_an_archive_that_a_thread_publishes_after_a_cancel_is_removed(
    pair: list[BackupDestination], archives: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, published = threading.Event(), threading.Event(), threading.Event()
    real = LocalDestination.put

    def put(self: LocalDestination, source: BinaryIO, path: str, **options: Any) -> object:
        if self.options["path"] == "nas":
            begun.wait(20)
            raise Cancelled("Cancelled by alice.")
        begun.set()
        # a peer that is mute: nothing asks whether the run has ended
        go_on.wait(20)
        try:
            return real(self, source, path, **options | {"progress": None})
        finally:
            published.set()

    monkeypatch.setattr(side_by_side, "PATIENCE_SECONDS", 0.05)
    with monkeypatch.context() as patch:
        patch.setattr(LocalDestination, "put", put)
        with pytest.raises(Cancelled):
            backup_now("shop", pair, by="tests")
    now = timezone.now()
    assert (settle_uploads(now=now), archives()) == ([], [])
    monkeypatch.setattr(side_by_side, "store_signature", lambda *_, **__: None)
    go_on.set()
    assert published.wait(20)
    assert len(archives()) == 1
    assert settle_uploads(now=now + LATER) == []
    assert archives() == []
    assert set(BackupCopy.objects.values_list("state", "planned_path")) == {("failed", "")}


def interrupted(destination: BackupDestination, monkeypatch: pytest.MonkeyPatch) -> BackupExecution:
    """Return a backup whose process died when its archive was stored, and was not recorded."""

    class Died(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr("backups.service.backup.upload.record", die)
        patch.setattr("backups.service.backup.upload.remove_published", lambda *_, **__: None)
        with pytest.raises(Died):
            backup_now("shop", destination, by="tests")
    backup = BackupExecution.objects.get()
    assert backup.status == "interrupted"
    return backup


def test_an_interrupted_backup_whose_archive_arrived_is_completed_with_its_lock(
    destination: BackupDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = interrupted(destination, monkeypatch)
    before = read_today(destination)
    assert tidy() == 1
    assert read_today(destination) - before == at(backup, "nas").size_bytes
    backup.refresh_from_db()
    assert (backup.status, backup.stage, backup.error_message, backup.copies_state) == ("completed", "done", "", "all")
    assert signature_state(backup).state is State.SIGNED
    assert (at(backup, "nas").verified_by, at(backup, "nas").path) == ("upload", backup.backup_path)
    assert tidy() == 0


def test_what_lies_at_the_path_and_is_not_the_archive_stays(
    destination: BackupDestination, archives: Listing, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    backup = interrupted(destination, monkeypatch)
    file = home / "backups" / "nas" / at(backup, "nas").planned_path
    file.write_bytes(bytes(file.stat().st_size))
    now = timezone.now()
    assert (settle_uploads(now=now), settle_uploads(now=now + LATER)) == ([], [])
    backup.refresh_from_db()
    assert (backup.status, at(backup, "nas").planned_path, len(archives())) == ("interrupted", "", 1)


def test_a_destination_that_does_not_answer_is_asked_again_later_and_once_for_all_of_its_copies(
    destination: BackupDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        backup = an_execution("shop", destination=destination, status="failed")
        a_copy(backup, state="failed", path="", planned_path=f"shop/{number}.tar.gz", sha256=str(number) * 64)
    asked: list[object] = []

    def silent(self: LocalDestination, *_: object, **__: object) -> None:
        asked.append(self)
        raise DestinationUnavailable("The disk is away.")

    monkeypatch.setattr(LocalDestination, "sweep", silent)
    now = timezone.now()
    settle_uploads(now=now)
    assert len(asked) == 1
    assert set(BackupCopy.objects.values_list("look_again_at", flat=True)) == {now + RETRY}
    settle_uploads(now=now + timedelta(minutes=1))
    assert len(asked) == 1


def test_the_import_of_a_destination_completes_the_backup_instead_of_adopting_its_archive(
    destination: BackupDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = interrupted(destination, monkeypatch)
    # the tick would look later
    BackupCopy.objects.update(look_again_at=timezone.now() + RETRY)
    done = import_backups(destination, by="tests")
    assert (done.adopted, done.scan.present) == ([], 1)
    assert BackupExecution.objects.get().status == "completed" and BackupExecution.objects.get().pk == backup.pk


def test_an_import_leaves_what_another_process_reads_back_and_begins_nothing_after_its_time(
    destination: BackupDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(destination, monkeypatch)
    now = timezone.now()
    # one page has no time left
    done = import_backups(destination, by="tests", until=now)
    assert (done.adopted, BackupExecution.objects.get().status) == ([], "interrupted")
    # the claim of a tick
    BackupCopy.objects.update(look_again_at=now + timedelta(hours=11))
    done = import_backups(destination, by="tests")
    assert (done.adopted, BackupExecution.objects.get().status) == ([], "interrupted")
    assert BackupCopy.objects.get().look_again_at == now + timedelta(hours=11)


def test_an_import_that_finds_nothing_yet_does_not_forget_the_path(destination: BackupDestination) -> None:
    row = an_execution("shop", destination=destination, status="interrupted")
    now = timezone.now()
    a_copy(row, state="failed", path="", planned_path="a.tar.gz", sha256="0" * 64, look_again_at=now + LATER)
    settle_uploads(destination, now=now)
    assert list(BackupCopy.objects.values_list("planned_path", "look_again_at")) == [("a.tar.gz", now + LATER)]
    settle_uploads(destination, now=now + LATER)
    assert BackupCopy.objects.get().planned_path == ""


def test_an_archive_that_may_not_be_deleted_is_read_back_more_and_more_seldom(
    destination: BackupDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = an_execution("shop", destination=destination, status="failed")
    put(destination, "a.tar.gz", b"x")
    digest = hashlib.sha256(b"x").hexdigest()
    a_copy(row, state="failed", path="", planned_path="a.tar.gz", sha256=digest, locked_until=NOW, size_bytes=1)
    read: list[int] = []
    real = LocalDestination.get

    def get(self: LocalDestination, *args: Any, **options: Any) -> object:
        read.append(day)
        return real(self, *args, **options)

    def refuse(*_: object) -> None:
        raise DestinationUnavailable("This account may not delete.")

    monkeypatch.setattr(LocalDestination, "get", get)
    monkeypatch.setattr(LocalDestination, "delete", refuse)
    ended = row.completed_at or timezone.now()
    for day in range(100):
        settle_uploads(now=ended + timedelta(days=day, seconds=day))
    assert read == [0, 1, 2, 4, 8, 16, 32, 62, 92]


def test_an_archive_that_was_imported_meanwhile_stays_that_of_the_other_row(
    destination: BackupDestination, monkeypatch: pytest.MonkeyPatch, archives: Listing
) -> None:
    backup = interrupted(destination, monkeypatch)
    copy = at(backup, "nas")
    other = an_execution("shop", destination=destination, backup_path=copy.planned_path, archive_sha256=copy.sha256)
    assert settle_uploads() == []
    assert (at(backup, "nas").planned_path, len(archives())) == ("", 1)
    assert other.copies.get().path == copy.planned_path


def test_an_upload_whose_name_became_that_of_another_backup_leaves_no_part(
    destination: BackupDestination, archives: Listing, home: Path
) -> None:
    put(destination, "shop/a.tar.gz", b"of another")
    an_execution("shop", destination=destination, backup_path="shop/a.tar.gz")
    killed = an_execution("shop", destination=destination, status="interrupted", backup_path="")
    a_copy(killed, state="failed", path="", planned_path="shop/a.tar.gz")
    part = home / "backups" / "nas" / "shop" / part_name("a.tar.gz", killed.pk)
    part.write_bytes(b"half")
    assert settle_uploads() == []
    assert (part.exists(), archives()) == (False, ["nas/shop/a.tar.gz"])
    assert set(killed.copies.values_list("planned_path", flat=True)) == {""}


@pytest.mark.parametrize("state", ["stored", "uploading"])
def test_before_a_run_of_the_instance_no_destination_is_opened_for_the_dead_ones(
    destination: BackupDestination, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    dead: dict[str, Any] = {"worker": "elsewhere:1", "started_at": timezone.now() - timedelta(days=2)}
    made = {"archive_sha256": "0" * 64, "manifest_json": a_manifest().to_dict()}
    backup = an_execution("shop", destination=destination, status="running", **dead, **made)
    backup.copies.update(state=state, path="a.tar.gz", planned_path="a.tar.gz", sha256="0" * 64)
    other = an_execution("shop", destination=destination)
    drill = a_drill(other, status="running", **dead)
    imported = an_execution("shop", destination=destination, status="queued", adopted=True, owner="process", **dead)
    asked: list[str] = []
    monkeypatch.setattr(BackupDestination, "open", lambda self: asked.append(self.name))
    assert reap(instance="shop") == [backup]
    assert asked == []
    backup.refresh_from_db()
    assert backup.status == {"stored": "completed", "uploading": "interrupted"}[state]
    # these hold no instance: the tick ends them
    for run in (drill, imported):
        run.refresh_from_db()
        assert run.is_active
