"""The safety backup: of an instance in any state, and the undo that gives exactly that state back."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.errors import BackupError
from backups.models import BackupExecution, RestoreExecution
from backups.service.restore.ending.restart import acknowledge
from backups.service.restore.start import start_undo
from destinations.models import BackupDestination
from tests.support.databases.sqlite_files import exclusively_locked, leave_hot_journal, make_database, rows_of
from tests.support.file_systems import small_disk
from tests.support.restores.instance_restores import (
    TACACS_DATABASES,
    all_rows,
    change,
    drafts,
    restore,
    tacacs_state,
    the_restore,
    tree,
    undo,
)
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db
Listing = Callable[[], list[str]]
DEVICES = "data/devices.db"


def overwrite(root: Path, path: str, content: bytes) -> None:
    (root / path).write_bytes(content)


def cut(root: Path, path: str) -> None:
    (root / path).write_bytes((root / path).read_bytes()[:5000])


def damage_page(root: Path, path: str) -> None:
    ((page,),) = rows_of(root / path, "SELECT rootpage FROM sqlite_master WHERE name = 'devices'")
    content = bytearray((root / path).read_bytes())
    start = (int(str(page)) - 1) * 4096
    content[start : start + 100] = b"\xff" * 100
    (root / path).write_bytes(content)


def damage_format(root: Path, path: str) -> None:
    content = bytearray((root / path).read_bytes())
    content[44:48] = b"\0\0\0\x09"
    (root / path).write_bytes(content)


def remove(root: Path, path: str) -> None:
    (root / path).unlink()


def stale_log(root: Path, path: str) -> None:
    """A database that is none, with the log of one."""
    (root / path).write_bytes(b"not a database")
    log = root / f"{path}-wal"
    log.write_bytes(os.urandom(4152))
    log.chmod((root / path).stat().st_mode)


def remove_everything(root: Path, _path: str) -> None:
    for path in (*TACACS_DATABASES.values(), "config/tacacs.conf"):
        (root / path).unlink()


CONF = "config/tacacs.conf"
OVERRIDES = "data/config_overrides.db"
BROKEN: dict[str, Callable[[Path], None]] = {
    "database is garbage": lambda root: overwrite(root, DEVICES, b"garbage" * 1000),
    "database is empty": lambda root: overwrite(root, DEVICES, b""),
    "database is cut": lambda root: cut(root, DEVICES),
    "database has a bad page": lambda root: damage_page(root, DEVICES),
    "database has an unknown format": lambda root: damage_format(root, DEVICES),
    "database is gone": lambda root: remove(root, DEVICES),
    "database is gone, its log is not": lambda root: stale_log(root, DEVICES),
    "configuration is gone": lambda root: remove(root, CONF),
    "configuration is empty": lambda root: overwrite(root, CONF, b""),
    "configuration is no INI text": lambda root: overwrite(root, CONF, b"port = 49\n"),
    "configuration is not UTF-8": lambda root: overwrite(root, CONF, b"[server]\nhost = \xff\xfe\n"),
    "configuration is not valid": lambda root: overwrite(root, CONF, b"[server]\nport = 99999\n"),
    "configuration has a section twice": lambda root: overwrite(root, CONF, b"[a]\n[a]\n"),
    "overrides are gone": lambda root: remove(root, OVERRIDES),
    "overrides are garbage": lambda root: overwrite(root, OVERRIDES, b"garbage" * 1000),
    "overrides have no table": lambda root: change(root / OVERRIDES, "DROP TABLE config_overrides"),
    "everything is gone": lambda root: remove_everything(root, ""),
    "overrides and configuration are broken": lambda root: (stale_log(root, OVERRIDES), overwrite(root, CONF, b"x"))[0],
}


def content(root: Path) -> dict[str, object]:
    """Return what lies below `root`, logs that hold something too."""
    found = tree(root)
    for name in list(found):
        empty_log = name.endswith("-wal") and found[name][3] == 0
        if empty_log or name.endswith(("-shm", "restart-required.json")):
            del found[name]
    return found


def same_pages(one: Path, other: Path) -> bool:
    """True when two databases differ in nothing but the counters and the journal mode in their headers."""
    if not other.stat().st_size:
        return all_rows(one) == {"schema": []}
    plain = [bytearray(path.read_bytes()) for path in (one, other)]
    for database in plain:
        assert database[:16] == b"SQLite format 3\0"
        for field in (slice(18, 20), slice(24, 28), slice(40, 44), slice(92, 100)):
            database[field] = bytes(field.stop - field.start)
    return plain[0] == plain[1]


@pytest.mark.parametrize("state", BROKEN)
def test_an_instance_in_any_state_is_restored_and_the_undo_gives_exactly_that_state_back(
    state: str, tacacs_root: Path, back_up: BackUp, workspaces: Listing, tmp_path: Path
) -> None:
    good = tacacs_state(tacacs_root)
    backup = back_up()
    BROKEN[state](tacacs_root)
    broken = content(tacacs_root)
    copy = shutil.copytree(tacacs_root, tmp_path / "copy")
    restored = restore(backup)
    assert restored.status == "completed"
    assert tacacs_state(tacacs_root) == good
    assert restored.safety_backup is not None
    undo(restored)
    after = content(tacacs_root)
    assert after.keys() == broken.keys()
    # what SQLite can read comes back page for page, with other counters in its header
    different = [name for name in after if after[name] != broken[name]]
    assert [name for name in different if not same_pages(tacacs_root / name, copy / name)] == []
    assert (drafts(tacacs_root), workspaces()) == ([], [])
    undone = undo(the_restore())
    assert (undone.status, tacacs_state(tacacs_root)) == ("completed", good)


def test_an_undo_deletes_nothing_else_when_the_restore_had_moved_a_database(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    conf = tacacs_root / CONF
    assert "database = data/devices.db" in conf.read_text()
    conf.write_text(conf.read_text().replace("database = data/devices.db", "database = data/moved.db"))
    (tacacs_root / DEVICES).rename(tacacs_root / "data" / "moved.db")
    change(tacacs_root / "data" / "moved.db", "DELETE FROM devices WHERE id > 7")
    before = content(tacacs_root)
    restored = restore(backup)
    assert (tacacs_root / DEVICES).exists()
    assert restored.outcome["devices"]["path"] == str(tacacs_root / DEVICES)
    undo(restored)
    after = content(tacacs_root)
    assert after.keys() == before.keys()
    assert after["data/moved.db"] == before["data/moved.db"]
    assert after[CONF] == before[CONF]


def test_an_undo_of_everything_goes_where_the_restore_went_although_the_configuration_moved_since(
    tacacs_root: Path, back_up: BackUp
) -> None:
    backup = back_up()
    change(tacacs_root / DEVICES, "DELETE FROM devices WHERE id > 7")
    restored = restore(backup, components=["devices"])
    conf = tacacs_root / CONF
    conf.write_text(conf.read_text().replace("database = data/devices.db", "database = data/other.db"))
    other = make_database(tacacs_root / "data" / "other.db").read_bytes()
    undo(restored)
    assert (tacacs_root / "data" / "other.db").read_bytes() == other
    assert len(tacacs_state(tacacs_root)["devices"]["devices"]) == 7  # type: ignore[index]


def test_a_database_behind_a_link_is_restored_and_undone_where_it_is(tacacs_root: Path, back_up: BackUp) -> None:
    store = tacacs_root / "store"
    store.mkdir()
    (tacacs_root / DEVICES).rename(store / "real.db")
    (tacacs_root / DEVICES).symlink_to("../store/real.db")
    backup = back_up()
    good = tacacs_state(tacacs_root)
    (store / "real.db").unlink()
    before = content(tacacs_root)
    restored = restore(backup)
    assert tacacs_state(tacacs_root) == good
    assert (tacacs_root / DEVICES).is_symlink() and (store / "real.db").is_file()
    undo(restored)
    assert content(tacacs_root).keys() == before.keys()
    assert (tacacs_root / DEVICES).is_symlink() and not (store / "real.db").exists()


def test_a_link_that_leads_out_of_the_root_by_now_is_not_followed(
    tacacs_root: Path, back_up: BackUp, tmp_path: Path
) -> None:
    backup = back_up()
    restored = restore(backup, components=["devices"])
    outside = make_database(tmp_path / "outside.db")
    before = outside.read_bytes()
    (tacacs_root / DEVICES).unlink()
    (tacacs_root / DEVICES).symlink_to(outside)
    for attempt in (lambda: restore(backup, components=["devices"]), lambda: undo(restored)):
        with pytest.raises(BackupError, match=r"lies outside the root"):
            attempt()
    assert outside.read_bytes() == before


def test_a_database_with_the_journal_of_a_dead_process_is_saved_and_restored(store: Path, back_up: BackUp) -> None:
    change(store / "orders.db", *(["INSERT INTO orders(item) VALUES (randomblob(900))"] * 400))
    backup = back_up("store")
    leave_hot_journal(store / "orders.db")
    before = content(store)
    restored = restore(backup)
    assert restored.status == "completed"
    assert not (store / "orders.db-journal").exists()
    undo(restored)
    after = content(store)
    assert {name: after.pop(name) for name in list(after) if name.startswith("state")}
    assert after == before


def test_a_locked_database_makes_the_safety_backup_impossible_and_nothing_is_changed(
    tacacs_root: Path, back_up: BackUp, workspaces: Listing
) -> None:
    backup = back_up()
    with exclusively_locked(tacacs_root / TACACS_DATABASES["audit"]):
        before = tree(tacacs_root)
        with pytest.raises(BackupError) as refused:
            restore(backup, components=["users"])
        assert tree(tacacs_root) == before
    assert refused.value.message == (
        f"The safety backup failed: {tacacs_root}/data/audit_trail.db stayed locked by another process for 1 s."
    )
    row = the_restore()
    assert (row.status, row.outcome, row.safety_backup) == ("failed", {}, None)
    assert workspaces() == []
    with pytest.raises(BackupError, match=r"changed nothing, so there is nothing to undo\.$"):
        start_undo(row, by="tests")


def test_a_full_destination_makes_the_safety_backup_impossible_and_nothing_is_changed(
    tacacs_root: Path, back_up: BackUp, home: Path, settings: Settings, tmp_path: Path, workspaces: Listing
) -> None:
    backup = back_up()
    with small_disk(tmp_path / "small", megabytes=0.1) as small:
        full = BackupDestination(name="full", type="local", created_by="tests")
        settings.BACKUP_ROOT.joinpath("full").symlink_to(small)
        full.configure({})
        full.save()
        settings.BACKUP_SAFETY_DESTINATION = "full"
        before = tree(tacacs_root)
        with pytest.raises(BackupError, match=r"^The safety backup failed: "):
            restore(backup)
        assert tree(tacacs_root) == before
        assert not [path for path in small.rglob("*") if path.is_file()]
    safety = BackupExecution.objects.get(kind="safety")
    assert (the_restore().status, safety.status, workspaces()) == ("failed", "failed", [])


@pytest.mark.parametrize(("name", "enabled"), [("nowhere", True), ("off", False)])
def test_a_safety_destination_that_cannot_be_used_is_named(
    name: str, enabled: bool, tacacs_root: Path, back_up: BackUp, settings: Settings
) -> None:
    backup = back_up()
    BackupDestination.objects.create(name="off", type="local", created_by="tests", enabled=enabled)
    settings.BACKUP_SAFETY_DESTINATION = name
    with pytest.raises(
        BackupError, match=rf"BACKUP_SAFETY_DESTINATION names {name}, which is not an enabled destination\.$"
    ):
        restore(backup)


def test_without_any_destination_one_is_made_for_the_safety_backup(
    tacacs_root: Path, back_up: BackUp, destination: BackupDestination, home: Path, tmp_path: Path
) -> None:
    backup = back_up()
    archive = tmp_path / "archive.tar.gz"
    (home / "backups" / "nas" / backup.backup_path).rename(archive)
    BackupExecution.objects.all().delete()
    BackupDestination.objects.all().delete()
    restored = restore(archive, accept_unsigned=True)
    assert restored.safety_backup is not None
    assert (restored.safety_backup.destination.name, restored.safety_backup.destination.type) == ("safety", "local")


def test_the_safety_backup_is_pinned_until_somebody_says_that_the_restore_was_good(
    tacacs_root: Path, back_up: BackUp
) -> None:
    restored = restore(back_up())
    safety = restored.safety_backup
    assert safety is not None
    assert (safety.kind, safety.status, safety.pinned) == ("safety", "completed", True)
    assert safety.pin_reason == f"safety backup of restore {restored.pk}, until that is acknowledged"
    marker = tacacs_root / "data" / "restart-required.json"
    content = json.loads(marker.read_text())
    assert (content["instance"], content["restore"]) == ("tacacs-hq", restored.pk)
    acknowledge(restored, by="alice")
    safety.refresh_from_db()
    restored.refresh_from_db()
    assert (safety.pinned, safety.pin_reason, marker.exists()) == (False, "", False)
    assert (restored.acknowledged_by, restored.acknowledged_at is None) == ("alice", False)


def test_a_later_restore_keeps_the_mark_when_an_earlier_one_is_acknowledged(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    first, second = restore(backup), restore(backup)
    marker = tacacs_root / "data" / "restart-required.json"
    acknowledge(first, by="alice")
    assert json.loads(marker.read_text())["restore"] == second.pk
    acknowledge(second, by="alice")
    assert not marker.exists()
    assert RestoreExecution.objects.exclude(acknowledged_by="alice").count() == 0


def test_a_good_undo_settles_what_it_undid(tacacs_root: Path, back_up: BackUp) -> None:
    first = restore(back_up())
    acknowledge(undo(first), by="alice")
    first.refresh_from_db()
    assert first.safety_backup is not None
    first.safety_backup.refresh_from_db()
    assert (first.acknowledged_by, first.safety_backup.pinned) == ("alice", False)
