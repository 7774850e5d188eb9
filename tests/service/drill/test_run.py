"""Restoring a backup for a trial: from its real destination into a scratch place, everything checked, time taken."""

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User

from backups.components.sqlite import dangling_references
from backups.errors import BackupError
from backups.models import BackupExecution, DrillExecution
from backups.service.drill.run import drill, newest_backup
from backups.signals import drill_finished
from tests.support.call_commands import command, refused
from tests.support.restores.component_restores import change, restore, state_of
from tests.support.site_fixtures import BackUp, Declare

pytestmark = pytest.mark.django_db
DRILL_KEYS = {
    "id", "archive", "verdict", "at", "by", "seconds", "checking_seconds", "bytes", "archive_bytes", "files",
    "databases", "rows", "warnings", "error", "hint",
}  # fmt: skip
Listing = Callable[[], list[str]]


@contextmanager
def heard() -> Iterator[list[BackupExecution]]:
    """Yield the executions that `drill_finished` was sent for."""
    found: list[BackupExecution] = []

    def hear(execution: BackupExecution, **_: object) -> None:
        found.append(execution)

    drill_finished.connect(hear)
    try:
        yield found
    finally:
        drill_finished.disconnect(hear)


def failure(backup: BackupExecution) -> dict[str, Any]:
    """Return what the backup keeps of a drill that failed."""
    run = drill(backup, by="tests")
    assert (run.verdict, run.status) == ("failed", "failed")
    backup.refresh_from_db()
    assert backup.drill is not None
    assert (backup.drill["verdict"], backup.verified_at) == ("failed", None)
    return backup.drill


def with_database(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_a_drill_proves_the_backup_and_keeps_verdict_time_and_bytes(
    tacacs_root: Path, back_up: BackUp, workspaces: Listing
) -> None:
    backup = back_up()
    before = state_of(tacacs_root)
    with heard() as signals:
        done = drill(backup, by="tests")
    done.refresh_from_db()
    assert (done.status, done.verdict, done.error_message, done.warnings) == ("completed", "passed", "", [])
    assert (done.stage, done.progress_percent, done.triggered_by) == ("done", 100, "tests")
    assert [stage for stage, _ in done.timeline] == ["fetching", "unpacking", "checking", "completed"]
    found = done.findings
    assert (found["files"], found["databases"], found["rows"]) == (8, 6, 7054)
    assert (done.bytes, found["archive_bytes"]) == (backup.size_bytes, backup.compressed_size_bytes)
    assert found["signature"].startswith("signed by this site")
    assert done.seconds is not None
    assert 0 < done.seconds < 30
    assert 0 < found["checking_seconds"] < 30
    backup.refresh_from_db()
    assert backup.drill is not None
    assert (backup.drill["seconds"], backup.drill["run"]) == (done.seconds, done.pk)
    assert backup.verified_at is not None
    assert not backup.drill_failed
    assert signals == [backup]
    assert (state_of(tacacs_root), workspaces()) == (before, [])


def test_a_tree_is_unpacked_and_compared(store: Path, back_up: BackUp) -> None:
    done = drill(back_up("store"), by="tests")
    assert (done.verdict, done.findings["files"], done.findings["databases"]) == ("passed", 3, 1)


def test_an_archive_that_was_damaged_at_its_destination_fails_loudly(
    tacacs_root: Path, back_up: BackUp, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    backup = back_up()
    archive = home / "backups" / "nas" / backup.backup_path
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 1
    archive.write_bytes(data)
    caplog.clear()
    with heard() as signals:
        kept = failure(backup)
    assert "is not what was uploaded: its SHA-256 differs" in kept["error"]
    (record,) = [record for record in caplog.records if "drill.failed" in record.message]
    assert record.levelno == logging.ERROR
    assert f"backup={backup.pk} verdict=failed" in record.message
    assert "instance=tacacs-hq" in record.message
    assert signals == [backup]
    assert backup.drill_failed


def test_an_archive_that_is_gone_from_its_destination_fails_the_drill(
    tacacs_root: Path, back_up: BackUp, home: Path
) -> None:
    backup, _other = back_up(), back_up()
    (home / "backups" / "nas" / backup.backup_path).unlink()
    assert failure(backup)["error"].startswith("There is no file ")


def test_a_bad_signature_fails_a_drill_because_it_stops_a_restore(
    tacacs_root: Path, back_up: BackUp, home: Path
) -> None:
    backup, other = back_up(), back_up()
    places = [home / "backups" / "nas" / f"{one.backup_path}.minisig" for one in (backup, other)]
    places[0].write_bytes(places[1].read_bytes())
    assert "does not fit the file" in failure(backup)["error"]


def test_a_missing_signature_is_a_warning(tacacs_root: Path, back_up: BackUp, home: Path) -> None:
    backup = back_up()
    (home / "backups" / "nas" / f"{backup.backup_path}.minisig").unlink()
    run = drill(backup, by="tests")
    assert (run.verdict, run.warnings) == (
        "passed", ["the archive is not signed: whoever restores it has to accept that"],
    )  # fmt: skip


def test_an_index_that_lost_an_entry_is_found_by_the_full_check_alone(store: Path, back_up: BackUp) -> None:
    database = store / "orders.db"
    with_database(database, "CREATE INDEX by_amount ON orders(amount)")
    with_database(
        database,
        "PRAGMA writable_schema=ON",
        "UPDATE sqlite_master SET sql = 'CREATE INDEX by_amount ON orders(amount DESC)' WHERE name = 'by_amount'",
    )
    kept = failure(back_up("store"))
    assert kept["error"].startswith("orders.db is corrupt: ")
    assert "by_amount" in kept["error"]


def test_references_that_led_nowhere_in_the_service_already_are_a_warning(tacacs_root: Path, back_up: BackUp) -> None:
    with_database(
        tacacs_root / "data" / "devices.db",
        "UPDATE devices SET group_id = 4711 WHERE id < 4",
        "UPDATE device_groups SET realm_id = 4711 WHERE id = 1",
    )
    done = drill(back_up(), by="tests")
    assert (done.verdict, done.warnings) == (
        "passed",
        [
            "devices.db: 1 row of device_groups with a reference to a missing row of realms",
            "devices.db: 3 rows of devices with a reference to a missing row of device_groups",
        ],
    )


def test_foreign_keys_that_cannot_be_checked_are_said(tmp_path: Path) -> None:
    path = tmp_path / "odd.db"
    with_database(
        path,
        "CREATE TABLE parent (id INTEGER, code TEXT)",
        "CREATE TABLE child (code TEXT REFERENCES parent(code))",
        "INSERT INTO child VALUES ('x')",
    )
    (said,) = dangling_references(path)
    assert said.startswith("the foreign keys of odd.db cannot be checked: foreign key mismatch")


def test_a_configuration_that_a_restore_would_refuse_fails_the_drill(tacacs_root: Path, back_up: BackUp) -> None:
    file = tacacs_root / "config" / "tacacs.conf"
    file.write_text(file.read_text().replace("port = 49\n", "port = 0\n"))
    kept = failure(back_up())
    assert kept["error"] == "The configuration in the backup is not valid: [server] port is not between 1 and 65535."
    assert kept["hint"].startswith("Correct it in the service and back up again")


def test_the_newest_backup_of_an_instance_is_drilled_but_no_safety_backup(tacacs_root: Path, back_up: BackUp) -> None:
    with pytest.raises(BackupError, match="There is no backup of tacacs-hq to drill"):
        newest_backup("tacacs-hq")
    back_up()
    newest = back_up()
    restore(newest, "devices")
    assert newest_backup("tacacs-hq") == newest
    BackupExecution.objects.filter(pk=newest.pk).update(deleted_at=newest.completed_at)
    assert newest_backup("tacacs-hq") != newest


def test_the_command_takes_an_instance_or_an_id_and_says_how_long_a_restore_takes(
    tacacs_root: Path, back_up: BackUp, home: Path, declare: Declare
) -> None:
    backup = back_up()
    done = command("drill", "tacacs-hq", "--json")
    assert (done.code, done.data["verdict"], done.data["id"]) == (0, "passed", backup.pk)
    assert set(done.data) >= DRILL_KEYS
    run = DrillExecution.objects.get(pk=done.data["run"])
    assert (run.status, run.kind, run.triggered_by) == ("completed", "drill", done.data["by"])
    lines = command("drill", backup.pk[:8]).out.splitlines()
    assert lines[0] == f"passed       {backup.backup_filename}"
    assert lines[1].strip().startswith("8 files, 6 databases and 7,054 rows, 1.7 MB from ")
    assert lines[2].strip().startswith("restored in ")
    assert f"drill                  passed at {done.data['at'][:4]}" in command("showbackup", backup.pk).out
    assert command("showbackup", backup.pk, "--json").data["drill"]["verdict"] == "passed"
    declare("")
    assert command("drill", "tacacs-hq").code == 0
    (home / "backups" / "nas" / backup.backup_path).unlink()
    assert refused("drill", "tacacs-hq").startswith(f"The drill of {backup.backup_filename} failed. There is no file ")
    assert refused("drill", "nothing-of-the-kind").startswith("There is no backup 'nothing-of-the-kind'")


def test_a_person_who_drills_is_in_the_history(store: Path, back_up: BackUp) -> None:
    backup = back_up("store")
    run = drill(backup, by=User.objects.create_user("ada"))
    assert {(entry.object_id, entry.change_message) for entry in LogEntry.objects.all()} == {
        (backup.pk, "Started a drill."), (run.pk, f"Started the drill of {backup}."),
    }  # fmt: skip


def test_a_safety_backup_of_a_damaged_instance_can_be_drilled(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    (tacacs_root / "data" / "audit_trail.db").write_bytes(b"no database" * 100)
    change(tacacs_root / "data" / "devices.db", "DELETE FROM devices")
    done = restore(backup)
    assert done.safety_backup is not None
    drilled = drill(done.safety_backup, by="tests")
    assert (drilled.verdict, drilled.findings["databases"]) == ("passed", 5)
    assert any("audit was saved as it was found" in warning for warning in drilled.warnings)
