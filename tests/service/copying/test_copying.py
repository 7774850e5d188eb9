"""Copies that are made up for later, repaired, or made at one more destination."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from django.utils import timezone
from pytest_django import Settings

from backups.errors import BackupError
from backups.models import BackupCopy, BackupExecution, CopyExecution
from backups.runs.queue.deduplication import AlreadyWaiting
from backups.runs.recovery.reap import reap, tidy
from backups.service.archives.fetch import fetch_nearest
from backups.service.archives.leases import used_backups
from backups.service.archives.signatures import State, signature_state
from backups.service.backup.run import backup_now
from backups.service.catalogue.sync import import_backups
from backups.service.copying import kind as copying
from backups.service.copying.run import copy_now, run_copy
from backups.service.copying.start import start_copy, start_due
from backups.service.drill.run import drill, verify_backup
from destinations.backends import TYPES
from destinations.backends.local import LocalDestination
from destinations.exceptions import DestinationUnavailable, NotFound
from destinations.models import BackupDestination
from tests.support.call_commands import command, refused
from tests.support.rows import an_execution

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def place(small_shop: Path) -> Path:
    return small_shop


def local(name: str, **fields: Any) -> BackupDestination:
    destination = BackupDestination(name=name, type="local", created_by="tests", **fields)
    destination.configure({})
    destination.save()
    return destination


@pytest.fixture
def vault(destination: BackupDestination) -> BackupDestination:
    return local("vault")


@pytest.fixture
def backup(destination: BackupDestination) -> BackupExecution:
    return backup_now("shop", destination, by="tests")


@pytest.fixture
def pair(destination: BackupDestination, vault: BackupDestination) -> BackupExecution:
    return backup_now("shop", [destination, vault], by="tests")


def file_at(home: Path, copy: BackupCopy) -> Path:
    return home / "backups" / copy.destination.name / copy.path


def at(backup: BackupExecution, name: str) -> BackupCopy:
    return backup.copies.select_related("destination", "execution").get(destination__name=name)


def test_a_backup_is_copied_to_one_more_destination_with_its_signature(
    backup: BackupExecution, vault: BackupDestination, home: Path, tmp_path: Path
) -> None:
    run = copy_now(backup, vault, by="alice")
    copy = at(backup, "vault")
    assert (run.status, run.source, run.triggered_by) == ("completed", "nas", "alice")
    assert (copy.condition, copy.sha256, copy.verified_by) == ("stored", backup.archive_sha256, "copy")
    assert file_at(home, copy).read_bytes() == file_at(home, at(backup, "nas")).read_bytes()
    assert file_at(home, copy).with_name(f"{copy.path.rpartition('/')[2]}.minisig").exists()
    backup.refresh_from_db()
    assert (backup.copies_state, backup.destination.name) == ("all", "nas")
    # the copy alone is enough from now on
    file_at(home, at(backup, "nas")).unlink()
    (home / "backups" / "nas" / "keep.tar.gz").write_bytes(b"x")
    import_backups(backup.destination, by="tests")
    backup = BackupExecution.objects.select_related("destination").get()
    assert (backup.destination.name, backup.copies_state) == ("vault", "missing")
    assert signature_state(backup).state is State.SIGNED
    verify_backup(backup, by="tests")


def test_a_copy_that_never_arrived_is_made_up_for_at_a_tick_when_it_is_due(
    destination: BackupDestination, vault: BackupDestination, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    real = LocalDestination.put

    def put(self: LocalDestination, source: BinaryIO, path: str, **options: Any) -> object:
        if str(self.options["path"]) == "vault":
            raise DestinationUnavailable("The vault is closed.", "Open it.")
        return real(self, source, path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(LocalDestination, "put", put)
        backup = backup_now("shop", [destination, vault], by="tests")
        now = timezone.now()
        assert start_due("backups", now) == []
        (run,) = start_due("backups", now + timedelta(minutes=6))
        assert start_due("backups", now + timedelta(minutes=6)) == []
        with pytest.raises(DestinationUnavailable):
            run_copy(run.pk)
    copy = at(backup, "vault")
    assert (copy.state, copy.attempts, copy.error) == ("failed", 2, "The vault is closed.")
    assert copy.next_try_at is not None and copy.next_try_at > timezone.now() + timedelta(minutes=20)
    # recorded while a clock was a year ahead
    (run,) = start_due("backups", timezone.now() - timedelta(days=365))
    assert run_copy(run.pk).status == "completed"
    backup.refresh_from_db()
    assert backup.copies_state == "all"
    assert at(backup, "vault").error == ""


def test_a_missing_copy_is_made_again_under_its_name(pair: BackupExecution, home: Path) -> None:
    copy = at(pair, "vault")
    file_at(home, copy).unlink()
    (home / "backups" / "vault" / "keep.tar.gz").write_bytes(b"x")
    import_backups(copy.destination, by="tests")
    assert at(pair, "vault").condition == "missing"
    (run,) = start_due("backups")
    run_copy(run.pk)
    assert (at(pair, "vault").condition, at(pair, "vault").path) == ("stored", copy.path)
    assert file_at(home, copy).exists()


def test_a_damaged_copy_is_found_passed_over_and_repaired(pair: BackupExecution, home: Path, tmp_path: Path) -> None:
    copy = at(pair, "nas")
    bad = file_at(home, copy)
    bad.chmod(0o600)
    bad.write_bytes(bad.read_bytes()[:-1] + b"X")
    fetched = fetch_nearest(pair, tmp_path)
    assert fetched.copy.destination.name == "vault"
    (note,) = fetched.notes
    assert note.startswith("The copy at nas was not used: ") and "SHA-256 differs" in note
    assert (at(pair, "nas").condition, pair.destination.name, pair.copies_state) == ("damaged", "vault", "missing")
    (run,) = start_due("backups")
    assert run_copy(run.pk).source == "vault"
    repaired = at(pair, "nas")
    # nothing is overwritten: the damaged file goes when the sound one is there
    assert (repaired.condition, repaired.path != copy.path, bad.exists()) == ("stored", True, False)
    assert file_at(home, repaired).read_bytes() == file_at(home, at(pair, "vault")).read_bytes()
    pair.refresh_from_db()
    assert pair.copies_state == "all"


def test_a_drill_takes_the_next_copy_and_says_so(pair: BackupExecution, home: Path) -> None:
    (home / "backups" / "nas").rename(home / "backups" / "unmounted")
    run = drill(pair, by="tests")
    assert run.verdict == "passed"
    assert any(text.startswith("The copy at nas was not used: ") for text in run.warnings)


def test_without_another_copy_the_first_error_is_the_one_that_is_raised(
    backup: BackupExecution, home: Path, tmp_path: Path
) -> None:
    file_at(home, at(backup, "nas")).unlink()
    (home / "backups" / "nas" / "keep.tar.gz").write_bytes(b"x")
    with pytest.raises(NotFound):
        fetch_nearest(backup, tmp_path)
    assert backup.is_missing
    assert start_due("backups") == []


def test_the_nearest_copy_is_local_and_then_of_the_lowest_position(
    destination: BackupDestination, vault: BackupDestination, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Far(LocalDestination):
        type = "far"
        off_box = True

    monkeypatch.setitem(TYPES, "far", Far)
    far = BackupDestination(name="far", type="far", encryption="allowed")
    far.configure({})
    far.save()
    BackupDestination.objects.filter(pk=destination.pk).update(position=5)
    backup = backup_now("shop", [far, *BackupDestination.objects.filter(name__in=["nas", "vault"])], by="tests")
    taken = []
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        fetched = fetch_nearest(backup, folder)
        taken.append(fetched.copy.destination.name)
        BackupCopy.objects.filter(pk=fetched.copy.pk).update(missing_at=timezone.now())
    assert taken == ["vault", "nas", "far"]


def test_a_plain_archive_is_not_copied_to_a_destination_that_requires_encryption(
    backup: BackupExecution, vault: BackupDestination, settings: Settings, home: Path
) -> None:
    BackupDestination.objects.filter(pk=vault.pk).update(encryption="required")
    vault.refresh_from_db()
    with pytest.raises(BackupError, match="takes encrypted archives only") as raised:
        start_copy(backup, vault, by="alice")
    assert "back up to vault" in raised.value.hint
    assert not backup.copies.filter(destination=vault).exists()
    # one that is due is not tried again by itself
    copy = BackupCopy.objects.create(
        execution=backup, destination=vault, state="failed", next_try_at=timezone.now(), error="old"
    )
    assert start_due("backups") == []
    copy.refresh_from_db()
    assert (copy.next_try_at, "takes encrypted archives only" in copy.error) == (None, True)


def test_what_cannot_be_copied_is_refused(pair: BackupExecution, destination: BackupDestination) -> None:
    with pytest.raises(BackupError, match="has a sound copy"):
        start_copy(pair, destination, by="alice")
    off = local("off", enabled=False)
    with pytest.raises(BackupError, match="is disabled"):
        start_copy(pair, off, by="alice")
    cellar = local("cellar")
    first = start_copy(pair, cellar, by="alice")
    with pytest.raises(AlreadyWaiting) as raised:
        start_copy(pair, cellar, by="bob")
    assert raised.value.run.pk == first.pk
    # retention leaves it alone meanwhile
    assert pair.pk in used_backups()


class Died(BaseException):
    pass


@pytest.mark.parametrize("stored", [True, False], ids=["after the upload", "before the upload"])
def test_a_process_that_dies_while_it_copies_leaves_a_copy_or_none(
    backup: BackupExecution, vault: BackupDestination, home: Path, monkeypatch: pytest.MonkeyPatch, stored: bool
) -> None:
    def die(*_: object, **__: object) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(copying, "record_copied" if stored else "store_signature", die)
        # what a killed process does not do: tidy up, and record its end
        patch.setattr(copying, "remove_published", lambda *_, **__: None)
        patch.setattr(copying.CopyKind, "settle", lambda *_: None)
        with pytest.raises(Died):
            copy_now(backup, vault, by="alice")
    run = CopyExecution.objects.get()
    assert run.status == "running"
    if not stored:
        (home / "backups" / "vault" / at(backup, "vault").planned_path).unlink()
    CopyExecution.objects.update(heartbeat_at=None, worker="elsewhere:1", started_at="2026-01-01T00:00:00Z")
    reap()
    tidy()
    run.refresh_from_db()
    copy = at(backup, "vault")
    if stored:
        assert (run.status, copy.condition, copy.size_bytes) == ("interrupted", "stored", backup.compressed_size_bytes)
    else:
        assert (run.status, copy.condition) == ("interrupted", "failed")
        assert copy.next_try_at is not None


def test_the_command_copies_or_queues(backup: BackupExecution, vault: BackupDestination) -> None:
    local("cellar")
    assert command("copybackup", backup.pk, "--to", "vault").out.startswith("copied     shop/manual/")
    data = command("copybackup", backup.pk, "--to", "cellar", "--queue", "--json").data
    assert (data["status"], data["backup"], data["copy"]["destination"]) == ("queued", backup.pk, "cellar")
    assert command("copybackup", backup.pk, "--to", "cellar", "--queue", "--json").data["already_waiting"] is True
    assert "has a sound copy" in refused("copybackup", backup.pk, "--to", "vault")


def test_a_copy_that_was_deleted_is_made_again(
    pair: BackupExecution, vault: BackupDestination, archives: Callable[[], list[str]]
) -> None:
    BackupCopy.objects.filter(pk=at(pair, "vault").pk).update(state="deleted", deleted_at=timezone.now(), path="")
    copy_now(pair, vault, by="alice")
    assert (at(pair, "vault").condition, at(pair, "vault").deleted_at) == ("stored", None)


def test_an_archive_that_is_another_backup_there_is_not_copied(
    backup: BackupExecution, vault: BackupDestination
) -> None:
    other = an_execution("shop", destination=vault, archive_sha256=backup.archive_sha256)
    with pytest.raises(BackupError, match=f"has the same archive already, as backup {other.pk}"):
        start_copy(backup, vault, by="alice")


def test_the_name_of_another_archive_there_that_is_missing_is_not_given_again(
    backup: BackupExecution, vault: BackupDestination, home: Path
) -> None:
    an_execution("shop", destination=vault, backup_path=backup.backup_path)
    copy_now(backup, vault, by="alice")
    copy = at(backup, "vault")
    assert copy.path == backup.backup_path.replace("-manual.tar.gz", "-manual-2.tar.gz")
    assert file_at(home, copy).read_bytes() == file_at(home, at(backup, "nas")).read_bytes()


def test_a_verification_is_recorded_with_the_copy_that_was_read(pair: BackupExecution) -> None:
    verify_backup(pair, by="tests")
    assert (at(pair, "nas").verified_by, at(pair, "vault").verified_by) == ("verification", "upload")
