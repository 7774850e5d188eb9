"""One backup that goes to several destinations: exported once, sent side by side, complete with what arrived."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from django.db import OperationalError, connection, connections
from pytest_django import Settings

from backups.errors import BackupError, Cancelled
from backups.models import BackupCopy, BackupExecution
from backups.runs.finish import cancel
from backups.runs.queue.deduplication import AlreadyWaiting
from backups.runs.recovery.reap import reap, tidy
from backups.service.archives.fetch import fetch
from backups.service.archives.records.copies import RETRY_AFTER
from backups.service.archives.records.delete import delete_backup
from backups.service.archives.signatures import store_signature
from backups.service.backup import kind as backup_service
from backups.service.backup import side_by_side, upload
from backups.service.backup.run import backup_now, run_backup
from backups.service.backup.start import start_backup
from backups.service.catalogue.sync import import_backups
from destinations.backends import TYPES
from destinations.backends.local import LocalDestination
from destinations.exceptions import DestinationError, DestinationFull, DestinationUnavailable
from destinations.models import BackupDestination
from tests.support.call_commands import command

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
def three(destination: BackupDestination) -> list[BackupDestination]:
    return [destination, local("cellar"), local("vault")]


def gone(destination: BackupDestination, home: Path) -> None:
    """Let a destination look like a disk that is not mounted."""
    assert not (home / "backups" / destination.name / "shop").exists()
    BackupDestination.objects.filter(pk=destination.pk).update(established=True)


def copies(backup: BackupExecution) -> dict[str, str]:
    return {copy.destination.name: copy.condition for copy in backup.copies.select_related("destination")}


def test_a_backup_is_exported_once_and_stored_at_each_destination(
    three: list[BackupDestination], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exports = []
    real = backup_service.export_components
    monkeypatch.setattr(backup_service, "export_components", lambda *a, **k: exports.append(1) or real(*a, **k))
    backup = backup_now("shop", three, by="tests")
    assert exports == [1]
    assert (backup.status, backup.copies_state, backup.destination) == ("completed", "all", three[0])
    assert copies(backup) == {"nas": "stored", "cellar": "stored", "vault": "stored"}
    files = {name: (home / "backups" / name / backup.backup_path).read_bytes() for name in ("nas", "cellar", "vault")}
    assert len(set(files.values())) == 1
    for copy in backup.copies.all():
        assert (copy.sha256, copy.size_bytes) == (backup.archive_sha256, backup.compressed_size_bytes)
        assert copy.verified_by == "upload"
        assert (home / "backups" / copy.destination.name / f"{copy.path}.minisig").exists()
    for one in three:
        one.refresh_from_db()
        assert (one.last_backup_status, one.established) == ("completed", True)


def test_a_destination_that_is_not_there_becomes_a_missing_copy_before_anything_is_exported(
    three: list[BackupDestination], home: Path
) -> None:
    gone(three[0], home)
    backup = backup_now("shop", three, by="tests")
    assert (backup.status, backup.copies_state) == ("completed", "missing")
    # the row of the backup names the first copy that is stored
    assert backup.destination == three[1]
    assert copies(backup) == {"nas": "failed", "cellar": "stored", "vault": "stored"}
    failed = backup.copies.get(destination=three[0])
    assert "although archives were stored in it" in failed.error
    assert failed.error_hint
    assert failed.next_try_at is not None
    three[0].refresh_from_db()
    assert three[0].last_backup_status == "failed"


def test_a_backup_fails_when_no_destination_takes_it_and_says_why_each_did_not(
    three: list[BackupDestination], home: Path
) -> None:
    for one in three:
        gone(one, home)
    with pytest.raises(BackupError) as raised:
        backup_now("shop", three, by="tests")
    backup = BackupExecution.objects.get()
    assert backup.status == "failed"
    assert backup.error_message == raised.value.message
    assert all(f"{name}: " in backup.error_message for name in ("nas", "cellar", "vault"))
    assert set(copies(backup).values()) == {"failed"}
    assert not backup.copies.filter(next_try_at__isnull=False).exists()


def test_an_upload_that_fails_under_way_does_not_stop_the_others(
    three: list[BackupDestination], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = LocalDestination.put

    def put(self: LocalDestination, source: BinaryIO, path: str, **options: Any) -> object:
        if str(self.options["path"]) == "cellar":
            raise DestinationUnavailable("The cellar is flooded.", "Pump it out.")
        return real(self, source, path, **options)

    monkeypatch.setattr(LocalDestination, "put", put)
    backup = backup_now("shop", three, by="tests")
    assert copies(backup) == {"nas": "stored", "cellar": "failed", "vault": "stored"}
    assert backup.copies.get(destination=three[1]).error == "The cellar is flooded."
    assert backup.copies_state == "missing"


def test_an_unexpected_error_of_one_upload_is_recorded_without_its_text(
    three: list[BackupDestination], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = LocalDestination.put

    def put(self: LocalDestination, source: BinaryIO, path: str, **options: Any) -> object:
        if str(self.options["path"]) == "vault":
            raise ZeroDivisionError("a secret")
        return real(self, source, path, **options)

    monkeypatch.setattr(LocalDestination, "put", put)
    backup = backup_now("shop", three, by="tests")
    assert copies(backup)["vault"] == "failed"
    assert backup.copies.get(destination=three[2]).error == "Unexpected error ZeroDivisionError, see the log."


def test_the_uploads_run_side_by_side(three: list[BackupDestination], monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(3, timeout=20)
    real = LocalDestination.put

    def put(self: LocalDestination, source: BinaryIO, path: str, **options: Any) -> object:
        if not path.endswith(".minisig"):
            together.wait()
        return real(self, source, path, **options)

    monkeypatch.setattr(LocalDestination, "put", put)
    assert backup_now("shop", three, by="tests").copies_state == "all"


class PlainOnly(LocalDestination):
    type = "far"
    label = "Far away"
    off_box = True


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch, home: Path) -> BackupDestination:
    """A destination whose type leaves this machine: it takes encrypted archives only."""
    monkeypatch.setitem(TYPES, "far", PlainOnly)
    destination = BackupDestination(name="far", type="far")
    destination.configure({})
    return destination


def test_a_destination_that_requires_encryption_never_gets_the_plain_archive(
    destination: BackupDestination, far: BackupDestination, home: Path, settings: Settings
) -> None:
    settings.BACKUP_ENCRYPTION_PASSPHRASE = "correct horse battery staple"
    BackupDestination.objects.filter(pk=destination.pk).update(encryption="off")
    destination.refresh_from_db()
    far.save()
    backup = backup_now("shop", [destination, far], by="tests")
    plain, encrypted = backup.copies.all()
    assert (backup.copies_state, plain.encryption, encrypted.encryption) == ("all", "", "age")
    assert (home / "backups" / "far" / encrypted.path).read_bytes().startswith(b"age-encryption.org")
    assert plain.path.endswith(".tar.gz")
    assert plain.sha256 != encrypted.sha256
    assert (backup.encryption, backup.archive_sha256) == ("", plain.sha256)


def test_without_a_key_the_destination_that_requires_encryption_is_a_missing_copy(
    destination: BackupDestination, far: BackupDestination, home: Path
) -> None:
    far.save()
    backup = backup_now("shop", [destination, far], by="tests")
    assert copies(backup) == {"nas": "stored", "far": "failed"}
    assert "takes encrypted archives only" in backup.copies.get(destination=far).error
    assert not (home / "backups" / "far").exists()


def test_a_destination_without_room_for_the_archive_is_known_before_the_export(
    three: list[BackupDestination], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = backup_now("shop", three[:2], by="tests")

    def free(self: LocalDestination) -> int:
        return 10 if str(self.options["path"]) == "cellar" else 10**12

    monkeypatch.setattr(LocalDestination, "free_space", free)
    second = backup_now("shop", three[:2], by="tests")
    assert (first.copies_state, second.copies_state) == ("all", "missing")
    assert copies(second)["cellar"] == "failed"
    assert "free" in second.copies.get(destination=three[1]).error
    begun = {stage: datetime.fromisoformat(at) for stage, at in second.timeline}
    assert second.copies.get(destination=three[1]).next_try_at < begun["exporting"] + RETRY_AFTER[0]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], threading.Event]]:
    """Return a function that makes the uploads to a destination endless; the event is set when the first has begun."""
    names: dict[str, threading.Event] = {}
    real = LocalDestination.put

    def put(self: LocalDestination, source: BinaryIO, path: str, **options: Any) -> object:
        event = names.get(str(self.options["path"]))
        if event is None or path.endswith(".minisig"):
            return real(self, source, path, **options)
        while True:
            event.set()
            time.sleep(0.02)
            options["progress"](1)

    monkeypatch.setattr(LocalDestination, "put", put)

    def choose(name: str) -> threading.Event:
        names[name] = threading.Event()
        return names[name]

    yield choose


def cancelled_when(begun: threading.Event, backup: BackupExecution, *, after: Callable[[], bool]) -> threading.Thread:
    def wait() -> None:
        begun.wait(20)
        while not after():
            time.sleep(0.02)
        try:
            cancel(BackupExecution.objects.get(pk=backup.pk), by="alice")
        finally:
            connection.close()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_a_cancel_stops_every_upload_within_two_seconds(
    three: list[BackupDestination], slow: Callable[[str], threading.Event], archives: Callable[[], list[str]]
) -> None:
    begun = [slow(one.name) for one in three]
    backup = start_backup("shop", three, by="tests")
    moment: list[float] = []

    def note() -> bool:
        moment.append(time.monotonic())
        return True

    thread = cancelled_when(begun[2], backup, after=note)
    with pytest.raises(Cancelled):
        run_backup(backup.pk)
    assert time.monotonic() - moment[0] < 2 + 1.5
    thread.join()
    backup.refresh_from_db()
    assert backup.status == "cancelled"
    assert archives() == []
    assert set(copies(backup).values()) == {"failed"}


def test_a_cancel_keeps_the_copy_that_has_arrived(
    three: list[BackupDestination], slow: Callable[[str], threading.Event]
) -> None:
    begun = slow("vault")
    backup = start_backup("shop", three, by="tests")
    thread = cancelled_when(
        begun, backup, after=lambda: BackupCopy.objects.filter(execution=backup, state="stored").count() == 2
    )
    run_backup(backup.pk)
    thread.join()
    backup.refresh_from_db()
    assert (backup.status, backup.copies_state) == ("completed", "missing")
    last = backup.copies.get(destination=three[2])
    assert (last.state, last.error, last.next_try_at) == ("failed", "Cancelled by alice.", None)


class Died(BaseException):
    pass


def test_a_process_that_dies_between_two_uploads_and_their_record_loses_neither(
    three: list[BackupDestination], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    def die(*_: object, **__: object) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(upload, "record", die)
        # what a killed process does not do: tidy up, and record its end
        patch.setattr(upload, "remove_published", lambda *_, **__: None)
        patch.setattr(backup_service.BackupKind, "settle", lambda *_: None)
        with pytest.raises(Died):
            backup_now("shop", three[:2], by="tests")
    backup = BackupExecution.objects.get()
    assert backup.status == "running"
    # the second one had not arrived
    lost = backup.copies.get(destination=three[1])
    (home / "backups" / "cellar" / lost.planned_path).unlink(missing_ok=True)
    BackupExecution.objects.update(heartbeat_at=None, worker="elsewhere:1", started_at="2026-01-01T00:00:00Z")
    reap()
    tidy()
    backup.refresh_from_db()
    assert (backup.status, backup.copies_state, backup.destination) == ("completed", "missing", three[0])
    assert copies(backup) == {"nas": "stored", "cellar": "failed"}


def test_the_catalogue_of_each_destination_knows_its_copy(three: list[BackupDestination], home: Path) -> None:
    backup = backup_now("shop", three[:2], by="tests")
    for one in three[:2]:
        done = import_backups(one, by="tests")
        assert (done.adopted, done.missing, done.scan.present) == ([], [], 1)
    (home / "backups" / "nas" / backup.backup_path).unlink()
    (home / "backups" / "nas" / "keep.tar.gz").write_bytes(b"x")
    done = import_backups(three[0], by="tests")
    assert [row.pk for row in done.missing] == [backup.pk]
    backup.refresh_from_db()
    # another copy is there: the backup is not missing, and its row names that one
    assert (backup.is_missing, backup.copies_state, backup.destination) == (False, "missing", three[1])
    assert BackupExecution.objects.count() == 1


def test_what_is_fetched_is_the_copy_that_the_row_names(three: list[BackupDestination], tmp_path: Path) -> None:
    backup = backup_now("shop", three[:2], by="tests")
    target = tmp_path / "fetched"
    target.mkdir()
    assert fetch(backup, target).stat().st_size == backup.compressed_size_bytes


def test_a_deletion_deletes_every_copy(three: list[BackupDestination], archives: Callable[[], list[str]]) -> None:
    backup = backup_now("shop", three, by="tests")
    delete_backup(backup, by="alice", reason="by hand")
    assert archives() == []
    backup.refresh_from_db()
    assert (backup.deleted_by, backup.deleted_reason, backup.copies_state) == ("alice", "by hand", "")
    assert set(copies(backup).values()) == {"deleted"}


def test_a_deletion_that_one_destination_refuses_says_so_and_keeps_the_rest_of_the_backup(
    three: list[BackupDestination], monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = backup_now("shop", three, by="tests")
    real = LocalDestination.delete

    def delete(self: LocalDestination, path: str) -> None:
        if str(self.options["path"]) == "cellar":
            raise DestinationUnavailable("The cellar is flooded.", "Pump it out.")
        real(self, path)

    monkeypatch.setattr(LocalDestination, "delete", delete)
    with pytest.raises(DestinationUnavailable):
        delete_backup(backup, by="alice", reason="by hand")
    backup.refresh_from_db()
    assert (backup.deleted_at, backup.destination) == (None, three[1])
    assert copies(backup) == {"nas": "deleted", "cellar": "stored", "vault": "deleted"}


def test_a_waiting_backup_gets_the_further_destinations_of_a_second_request(three: list[BackupDestination]) -> None:
    first = start_backup("shop", three[0], by="alice")
    with pytest.raises(AlreadyWaiting) as raised:
        start_backup("shop", [three[0], three[2]], by="bob")
    assert raised.value.run.pk == first.pk
    assert copies(first) == {"nas": "waiting", "vault": "waiting"}


def test_a_disabled_destination_is_refused_by_hand_and_missing_by_schedule(three: list[BackupDestination]) -> None:
    BackupDestination.objects.filter(pk=three[1].pk).update(enabled=False)
    three[1].refresh_from_db()
    with pytest.raises(BackupError, match="cellar is disabled"):
        start_backup("shop", three, by="alice")
    assert BackupExecution.objects.count() == 0
    queued = start_backup("shop", three, by="schedule", kind=BackupExecution.Kind.SCHEDULED)
    assert copies(run_backup(queued.pk)) == {"nas": "stored", "cellar": "failed", "vault": "stored"}


def test_the_command_names_several_destinations_in_order(three: list[BackupDestination], home: Path) -> None:
    done = command("backup", "shop", "--destination", "vault", "--destination", "nas", "--json")
    assert [copy["destination"] for copy in done.data["copies"]] == ["vault", "nas"]
    assert (done.data["destination"], done.data["copies_state"]) == ("vault", "all")
    (home / "backups" / "nas").rename(home / "backups" / "unmounted")
    text = command("backup", "shop", "--destination", "vault", "--destination", "nas").out
    assert "missing    the copy at nas: " in text
    (row,) = command("listbackups", "--archive", "lacks-a-copy", "--json").data
    assert row["copies_state"] == "missing"
    assert "no copy at: nas" in command("listbackups").out


def test_two_that_take_each_others_room_on_one_disk_are_tried_one_after_the_other(
    three: list[BackupDestination], monkeypatch: pytest.MonkeyPatch
) -> None:
    both_there, lock, under_way, room = threading.Barrier(2), threading.Lock(), list[str](), list[str]()
    real = LocalDestination.put

    def put(self: LocalDestination, source: BinaryIO, path: str, **options: Any) -> Any:
        with lock:
            first = len(room) < 2
            room.append(path)
        if first:
            # each has sent as much as fits beside the other one
            both_there.wait(10)
            raise DestinationFull("There is no room.", hint="Free some.")
        under_way.append(path)
        assert len(under_way) == 1
        try:
            return real(self, source, path, **options)
        finally:
            under_way.pop()

    monkeypatch.setattr(LocalDestination, "put", put)
    backup = backup_now("shop", three[:2], by="tests")
    assert (backup.copies_state, copies(backup)) == ("all", {"nas": "stored", "cellar": "stored"})
    assert set(room[:2]) == {backup.backup_path}


def test_another_attempt_removes_no_archive_that_took_its_name_meanwhile(
    three: list[BackupDestination], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both_there, others, real_put, real_store = threading.Barrier(2), list[Path](), LocalDestination.put, store_signature
    signed: list[str] = []

    def store(*args: Any, **options: Any) -> None:
        signed.append(args[1])
        if len(signed) > 2:
            real_store(*args, **options)
            return
        # the disk is full when both archives are there
        both_there.wait(10)
        raise DestinationFull("There is no room.", hint="Free some.")

    def put(self: LocalDestination, source: BinaryIO, path: str, **options: Any) -> Any:
        if len(signed) == 2 and not others:
            others.append(home / "backups" / "nas" / path)
            others[0].write_bytes(b"of another site")
        return real_put(self, source, path, **options)

    monkeypatch.setattr(side_by_side, "store_signature", store)
    monkeypatch.setattr(LocalDestination, "put", put)
    backup = backup_now("shop", [three[0], three[1]], by="tests")
    assert others[0].read_bytes() == b"of another site"
    assert copies(backup) == {"nas": "stored", "cellar": "stored"}
    assert backup.copies.get(destination=three[0]).path.rpartition("/")[2] != others[0].name


@pytest.mark.parametrize("error", [DestinationUnavailable, DestinationFull])
def test_a_copy_that_fails_after_the_connection_was_lost_fails_alone(
    three: list[BackupDestination], monkeypatch: pytest.MonkeyPatch, error: type[DestinationError]
) -> None:
    lost, opened_again, of_run, real = list[str](), threading.Event(), connections["default"], LocalDestination.put
    begun, both_there = count(), threading.Barrier(2)

    def query(execute: Callable[..., Any], *query: Any) -> Any:
        if lost:
            raise OperationalError("The server closed the connection unexpectedly.")
        return execute(*query)

    def put(self: LocalDestination, source: BinaryIO, path: str, **options: Any) -> Any:
        number = next(begun)
        if number < 2:
            both_there.wait(5)
        if number == 0:
            # by a firewall, as it was idle
            lost.append(path)
            raise error("It is not possible.", hint="Try again.")
        opened_again.wait(5)
        return real(self, source, path, **options)

    def close() -> None:
        lost.clear()
        opened_again.set()

    # SQLite has no connections that can be lost
    monkeypatch.setattr(of_run, "is_usable", lambda: not lost)
    monkeypatch.setattr(of_run, "close", close)
    monkeypatch.setattr(LocalDestination, "put", put)
    with of_run.execute_wrapper(query):
        backup = backup_now("shop", three[:2], by="tests")
    assert (backup.status, sorted(copies(backup).values())) == ("completed", ["failed", "stored"])
