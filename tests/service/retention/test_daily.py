"""The daily pass: the rule without a new backup, locks that end and are renewed, access tiers."""

import io
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from backups.models import BackupCopy, BackupExecution, RetentionPass
from backups.service.archives.names import signature_of
from backups.service.catalogue.sync import import_backups
from backups.service.retention import daily
from backups.service.retention.plan import plan_prune
from destinations.backends import TYPES
from destinations.backends.remote.locks import FOREVER
from destinations.models import BackupDestination
from tests.destinations.backends.s3.buckets import LOCKED_BUCKET, s3_options
from tests.support import locking_remote
from tests.support.archives.stored import NOW, an_archive, name_of
from tests.support.call_commands import command
from tests.support.locking_remote import COOLED, HIDDEN, LOCKS, LockingRemote
from tests.support.memory_remote import SERVERS
from tests.support.pruned import reason, ruled, run
from tests.support.rows import a_client, a_manifest, an_execution
from tests.support.servers.objects.moto import Moto

pytestmark = pytest.mark.django_db
Clock = Callable[[timedelta], None]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return a function that moves the clock to so long after NOW, where it stands."""

    def move(after: timedelta) -> None:
        monkeypatch.setattr(timezone, "now", lambda: NOW + after)

    move(timedelta(0))
    return move


@pytest.fixture
def vault(home: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[BackupDestination]:
    """A destination in memory that locks for 20 days, renews that, and keeps 10 days."""
    monkeypatch.setitem(TYPES, "locking", LockingRemote)
    monkeypatch.setattr(LockingRemote, "refused", set())
    vault = of_type("locking", {"server": "locking"} | locks(lock_while_kept=True))
    yield ruled(vault, retention_days=10, min_keep=1)
    SERVERS.pop("locking", None)
    for kept in (LOCKS, HIDDEN, COOLED):
        kept.clear()


def locks(**more: Any) -> dict[str, Any]:
    return {"lock_days": 20, "lock_max_days": 20, **more}


def of_type(type_: str, options: dict[str, Any]) -> BackupDestination:
    destination = BackupDestination(name="vault", type=type_, encryption="allowed")
    destination.configure(options)
    destination.save()
    return destination


def kept(destination: BackupDestination, taken_at: datetime = NOW) -> BackupExecution:
    """Return a backup whose archive lies there, locked as the upload left it."""
    data, path = an_archive(taken_at=taken_at), f"app/manual/{name_of('app', taken_at)}"
    with destination.open() as opened:
        stored = opened.put(io.BytesIO(data), path, size=len(data), token="t")
        opened.put(io.BytesIO(b"s"), signature_of(path), size=1, token="t")
    moments = dict.fromkeys(("created_at", "started_at", "completed_at"), taken_at)
    backup = an_execution(
        "app", destination=destination, backup_path=path, compressed_size_bytes=len(data), **moments,
        backup_filename=path.rpartition("/")[2],
        manifest_json=a_manifest("app", timestamp_utc=taken_at.isoformat()).to_dict(),
    )  # fmt: skip
    backup.copies.update(locked_until=stored.locked_until)
    return backup


def state(backup: BackupExecution) -> str:
    return BackupCopy.objects.get(execution=backup).state


def lock_of(backup: BackupExecution) -> datetime | None:
    return BackupCopy.objects.get(execution=backup).locked_until


def test_what_only_a_lock_kept_goes_by_the_daily_pass_once_that_has_ended(
    home: Any, moto: Moto, apart: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = of_type("s3", s3_options(moto, location=apart, bucket_name=LOCKED_BUCKET) | locks())
    ruled(place, retention_days=10, min_keep=1)
    now = timezone.now()
    old, new = kept(place, now - timedelta(days=15)), kept(place, now)
    until = lock_of(old)
    assert until is not None
    daily.run_pass(place)
    assert [state(old), state(new)] == ["stored", "stored"]
    reasons = {entry.execution: entry.reason for entry in plan_prune(place, now).entries}
    assert reasons[old] == f"kept because locked until {until:%Y-%m-%d %H:%M} UTC"
    assert "locked" not in reasons[new]
    assert "1 kept while locked" in RetentionPass.objects.get().outcome
    # no backup is made meanwhile
    monkeypatch.setattr(timezone, "now", lambda: now + timedelta(days=20, minutes=1))
    assert daily.run_due("backups") == [place]
    assert [state(old), state(new)] == ["deleted", "stored"]
    assert RetentionPass.objects.get().outcome == "1 deleted"
    with place.open() as opened:
        assert sorted(file.path for file in opened.list()) == [new.backup_path, signature_of(new.backup_path)]


def test_locks_are_renewed_as_long_as_retention_keeps_the_archive(vault: BackupDestination, clock: Clock) -> None:
    old, new = kept(vault, NOW - timedelta(days=5)), kept(vault)
    assert daily.run_pass(vault).outcome == "nothing to do"
    clock(timedelta(days=3))
    assert daily.run_pass(vault).outcome == "2 locks renewed"
    end = NOW + timedelta(days=23)
    assert [lock_of(old), lock_of(new)] == [end, end]
    assert [LOCKS[path] for path in (new.backup_path, signature_of(new.backup_path))] == [end, end]
    # the rule lets the old one go, and the lock stays as it is until then
    clock(timedelta(days=8))
    assert "1 kept while locked, 1 locks renewed" in daily.run_pass(vault).outcome
    assert [lock_of(old), lock_of(new)] == [end, NOW + timedelta(days=28)]
    clock(timedelta(days=24))
    daily.run_pass(vault)
    assert [state(old), state(new)] == ["deleted", "stored"]


def test_a_lock_that_only_the_store_knows_of_is_recorded_and_spares_the_archive(vault: BackupDestination) -> None:
    old, _ = kept(vault, NOW - timedelta(days=30)), kept(vault)
    BackupCopy.objects.update(locked_until=None)
    pruned = run(vault)
    assert [entry.execution for entry, _ in pruned.spared] == [old]
    assert (pruned.failed, state(old), lock_of(old)) == ([], "stored", LOCKS[old.backup_path])


def test_a_legal_hold_keeps_an_archive_until_it_is_lifted(vault: BackupDestination, clock: Clock) -> None:
    old, _ = kept(vault, NOW - timedelta(days=30)), kept(vault)
    LOCKS[old.backup_path] = FOREVER
    BackupCopy.objects.filter(execution=old).update(locked_until=FOREVER)
    daily.run_pass(vault)
    assert reason(vault, old) == "kept because locked by a legal hold, which has no end"
    LOCKS.clear()
    daily.run_pass(vault)
    assert (state(old), lock_of(old)) == ("deleted", None)


def test_a_lock_that_cannot_be_renewed_is_a_problem_and_is_tried_again_soon(
    vault: BackupDestination, clock: Clock
) -> None:
    first, second = kept(vault, NOW - timedelta(days=1)), kept(vault)
    LockingRemote.refused.add(first.backup_path)
    clock(timedelta(days=4))
    found = daily.run_pass(vault)
    assert found.problem == f"{first.backup_path}: {first.backup_path} cannot be locked."
    assert lock_of(second) == NOW + timedelta(days=24)
    LockingRemote.refused.clear()
    assert daily.run_pass(vault).problem == ""


def test_old_archives_are_moved_to_a_cooler_tier_once(vault: BackupDestination, clock: Clock) -> None:
    vault.configure({"server": "locking", "cool": 3})
    vault.save()
    old, new = kept(vault, NOW - timedelta(days=4)), kept(vault)
    assert daily.run_pass(vault).outcome == "1 moved to a cooler tier"
    assert (COOLED, BackupCopy.objects.get(execution=old).cooled_at) == ([old.backup_path], NOW)
    assert daily.run_pass(vault).outcome == "nothing to do"
    assert BackupCopy.objects.get(execution=new).cooled_at is None


def test_a_pass_is_due_once_a_day_and_soon_again_after_a_failure(vault: BackupDestination, clock: Clock) -> None:
    assert daily.run_due("backups") == []
    kept(vault)
    assert daily.run_due("backups") == [vault]
    assert daily.run_due("backups") == []
    clock(timedelta(days=1, minutes=1))
    # whose folder it is, looks after it
    assert daily.run_due("elsewhere") == []

    def unavailable(step: str) -> None:
        raise locking_remote.DestinationUnavailable("There is no network.", "Look at it.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LockingRemote, "before", staticmethod(unavailable))
        BackupCopy.objects.update(locked_until=None)
        assert daily.run_due("backups") == [vault]
    found = RetentionPass.objects.get()
    assert "There is no network." in found.problem
    assert found.next_at - timezone.now() <= timedelta(hours=1)
    # recorded while the clock was a year ahead
    RetentionPass.objects.update(next_at=timezone.now() + timedelta(days=365))
    assert daily.run_due("backups") == [vault]


def test_the_pass_and_the_locks_are_shown_and_prunebackups_renews_them_too(
    vault: BackupDestination, clock: Clock
) -> None:
    backup = kept(vault)
    daily.run_pass(vault)
    facts = command("showdestination", "vault", "--json").data
    assert (facts["locked"], facts["locked_until"]) == (1, (NOW + timedelta(days=20)).isoformat())
    assert facts["retention_pass"]["outcome"] == "nothing to do"
    assert "until 2026-04-20 12:00 UTC" in command("showdestination", "vault").out
    url = reverse("admin:destinations_backupdestination_change", args=[vault.pk])
    page = a_client("view_backupdestination", "view_backupexecution").get(url).content.decode()
    assert 'data-field="locked" data-value="1"' in page
    assert 'data-field="retention_pass"' in page
    clock(timedelta(days=4))
    (answer,) = command("prunebackups", "--json").data
    assert [item["path"] for item in answer["renewed"]] == [backup.backup_path]


def test_the_lock_of_an_adopted_archive_is_recorded(vault: BackupDestination) -> None:
    path = kept(vault).backup_path
    BackupExecution.objects.all().delete()
    del SERVERS["locking"][f"/{signature_of(path)}"]
    (adopted,) = import_backups(vault, by="tests").adopted
    assert (adopted.backup_path, lock_of(adopted)) == (path, LOCKS[path])


def test_a_lock_is_not_renewed_where_the_rule_leaves_the_archive_to_the_store(
    vault: BackupDestination, clock: Clock
) -> None:
    vault.configure({"server": "locking", "append_only": True} | locks(lock_while_kept=True))
    vault.save()
    old, new = kept(vault, NOW - timedelta(days=30)), kept(vault)
    clock(timedelta(days=4))
    assert daily.run_pass(vault).outcome == "1 kept while locked, 1 locks renewed"
    assert [lock_of(old), lock_of(new)] == [NOW + timedelta(days=20), NOW + timedelta(days=24)]
