"""What a restore would change and cost, worked out without the archive."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.archive.errors import ArchiveError
from backups.components.sqlite import live_tables
from backups.errors import BackupError
from backups.lib.ownership import Ownership
from backups.models import BackupExecution
from backups.service.restore.preview.build import preview
from backups.service.restore.preview.component import ComponentPreview
from backups.service.restore.preview.summary import Preview
from backups.service.restore.preview.tables import readable_time
from tests.support.archives.crafted import SERVER_ENCRYPTED, SERVER_PASSPHRASE, SERVER_PLAIN
from tests.support.databases.sqlite_files import exclusively_locked, make_database
from tests.support.restores.component_restores import SERVER_SHA256, change, restore, state_of

pytestmark = pytest.mark.django_db

BackUp = Callable[..., BackupExecution]
Declare = Callable[[str], None]
LOG = (
    "INSERT INTO accounting_logs (timestamp, username, session_id, status)"
    " VALUES ('2027-01-01T10:00:0{}.000001+00:00', 'eve', 1, 'STOP')"
)
SHOP = """\
[shop]
kind = "generic"
root = "{root}"
[shop.components.orders]
kind = "sqlite"
path = "orders.db"
[shop.components.uploads]
kind = "files"
path = "uploads"
optional = true
"""


@pytest.fixture
def shop(tmp_path: Path, declare: Declare) -> Path:
    root = tmp_path / "shop"
    (root / "uploads").mkdir(parents=True)
    (root / "uploads" / "one.txt").write_text("one")
    make_database(root / "orders.db")
    declare(SHOP.format(root=root))
    return root


def part(shown: Preview, name: str) -> ComponentPreview:
    return next(component for component in shown.components if component.name == name)


def test_a_fresh_backup_would_cost_nothing(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    shown = preview(backup, "tacacs-hq")
    assert shown.loss == "Nothing is known to be lost."
    assert [component.name for component in shown.components if component.selected] == [
        "config", "devices", "users", "accounting", "metrics", "audit",
    ]  # fmt: skip
    assert {(table.difference, table.gone) for found in shown.components for table in found.tables} == {(0, 0)}
    assert part(shown, "config").configuration == ()


def test_it_says_what_the_archive_is_and_which_digest_is_confirmed(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    shown = preview(backup, "tacacs-hq")
    assert (shown.archive, shown.archive_sha256) == (backup.backup_filename, backup.archive_sha256)
    assert (shown.triggered_by, shown.kind, shown.application, shown.format) == (
        "tests", "manual", "backupsite 0.1.0", 1,
    )  # fmt: skip
    assert shown.taken_at == backup.started_at
    assert shown.age is not None
    assert 0 < shown.age.total_seconds() < 60
    assert shown.size_bytes == backup.size_bytes


def test_the_loss_is_one_sentence_with_rows_and_since_when(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    change(
        tacacs_root / "data" / "tacacs_accounting.db",
        "DROP TRIGGER IF EXISTS trg_mv_daily_insert",
        *(LOG.format(second) for second in range(5)),
    )
    shown = preview(backup, "tacacs-hq", ["accounting"])
    logs = next(table for table in part(shown, "accounting").tables if table.name == "accounting_logs")
    assert (logs.now, logs.backup, logs.difference, logs.gone) == (3005, 3000, -5, 5)
    assert logs.newest_now == "2027-01-01 10:00:04 UTC"
    assert logs.newest_backup is not None
    assert shown.loss.startswith(f"5 accounting rows written since {logs.newest_backup} ")
    assert shown.loss.endswith(" will be gone.")


def test_rows_that_come_back_are_told_from_rows_that_go(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    change(
        tacacs_root / "data" / "devices.db",
        "DELETE FROM devices WHERE id < 10",
        "INSERT INTO devices (name, network, created_at) VALUES ('new', '10.0.0.0/8', '2027-01-01 00:00:00')",
    )
    shown = preview(backup, "tacacs-hq", ["devices"])
    assert part(shown, "devices").loss == (
        "1 devices row written since 2026-11-23 01:44:40 will be gone;"
        " 9 devices rows that are not there now will be back"
    )


def test_rows_without_times_are_claimed_as_at_least_the_difference(shop: Path, back_up: BackUp) -> None:
    backup = back_up("shop")
    change(shop / "orders.db", "INSERT INTO orders (amount) VALUES (7)", "INSERT INTO orders (amount) VALUES (8)")
    assert preview(backup, "shop").loss == "At least 2 orders rows will be gone."
    change(shop / "orders.db", "DELETE FROM orders WHERE id < 6")
    shown = preview(backup, "shop")
    assert (shown.loss, part(shown, "orders").loss) == (
        "Nothing is known to be lost.",
        "3 orders rows that are not there now will be back",
    )


@pytest.mark.parametrize(
    ("stored", "since", "newer"),
    [
        (["2026-01-01 10:00:00", "2026-01-01 10:00:01", "2026-01-01 10:00:02"], "2026-01-01 10:00:00", 2),
        (["2026-01-01 10:00:00", "2026-01-02T00:00:00Z"], "2026-01-01 10:00:00", None),
        ([1_767_261_600, 1_767_261_700], "1767261600", 1),
        ([1_767_261_600, "yesterday"], "1767261600", None),
        ([5, 3, 9], "4", 1),
        ([], "2026-01-01 10:00:00", 0),
        ([7, 8], None, None),
    ],
)
def test_rows_are_newer_only_where_their_times_can_be_compared(
    tmp_path: Path, stored: list[object], since: str | None, newer: int | None
) -> None:
    path = tmp_path / "log.db"
    change(path, "CREATE TABLE log (timestamp)", *(f"INSERT INTO log VALUES ({json.dumps(value)})" for value in stored))
    found = live_tables(path, {"log": since} if since else {}, lock_timeout=1, seconds=5)
    assert (found["log"].rows, found["log"].newer) == (len(stored), newer)


def test_a_time_in_seconds_is_shown_as_a_date() -> None:
    assert readable_time("1795398282") == "2026-11-23 01:44:42 UTC"
    assert readable_time("12") == "12"
    assert readable_time("2026-11-23T01:44:40.651705") == "2026-11-23 01:44:40"
    assert readable_time("2026-11-23T01:44:40.651705+02:00") == "2026-11-22 23:44:40 UTC"
    assert readable_time("2026-11-23") == "2026-11-23"
    assert readable_time("soon") == "soon"


def test_the_configuration_is_compared_key_by_key_with_secrets_masked(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    file = tacacs_root / "config" / "tacacs.conf"
    file.write_text(
        file.read_text()
        .replace("port = 49\n", "port = 50\n")
        .replace("radius_secret = change_me", "radius_secret = hunter2hunter2")
        .replace("[webhooks]\nurls = \n", "[webhooks]\nextra = 1\n")
    )
    shown = preview(backup, "tacacs-hq", ["config"])
    changes = {f"{item.section}.{item.key}": (item.now, item.backup) for item in part(shown, "config").configuration}
    secret = changes.pop("radius_auth.radius_secret")
    assert changes == {"server.port": ("50", "49"), "webhooks.extra": ("1", None), "webhooks.urls": (None, "")}
    assert all(value is not None and value.startswith("•••••• (") for value in secret)
    assert secret[0] != secret[1]
    assert not {"hunter2hunter2", "change_me"} & set(json.dumps(shown.to_dict()).split('"'))
    assert shown.loss == "The present values of 3 configuration keys will be gone."


def test_a_secret_is_equal_after_the_key_of_the_site_was_rotated(
    tacacs_root: Path, back_up: BackUp, settings: Settings
) -> None:
    backup = back_up()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [settings.SECRET_KEY]
    assert part(preview(backup, "tacacs-hq"), "config").configuration == ()


def test_a_section_shows_its_own_keys_only(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    file = tacacs_root / "config" / "tacacs.conf"
    file.write_text(file.read_text().replace("port = 49\n", "port = 50\n").replace("timeout = 3\n", "timeout = 4\n"))
    shown = preview(backup, "tacacs-hq", ["config.section:webhooks"])
    changes = [(item.section, item.key) for item in part(shown, "config").configuration]
    assert changes == [("webhooks", "timeout")]
    assert [found.name for found in shown.components if found.selected] == ["config"]
    with pytest.raises(BackupError, match=r"The archive has no section \[nothing\]"):
        preview(backup, "tacacs-hq", ["config.section:nothing"])


def test_it_needs_no_archive_however_large_and_no_destination(tacacs_root: Path, home: Path, back_up: BackUp) -> None:
    backup = back_up()
    (home / "backups").rename(home / "offline")
    started = time.monotonic()
    shown = preview(backup, "tacacs-hq")
    assert time.monotonic() - started < 2
    assert part(shown, "config").notes == ()


def test_a_row_without_configuration_has_it_read_from_the_first_bytes_of_the_archive(
    tacacs_root: Path, home: Path, back_up: BackUp
) -> None:
    backup = back_up()
    archive = home / "backups" / "nas" / backup.backup_path
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    BackupExecution.objects.filter(pk=backup.pk).update(config_json=None)
    backup.refresh_from_db()
    file = tacacs_root / "config" / "tacacs.conf"
    file.write_text(file.read_text().replace("change_me", "hunter2hunter2"))
    (found,) = part(preview(backup, "tacacs-hq"), "config").configuration
    assert (found.key, str(found.backup)[:6]) == ("radius_secret", "••••••")

    (home / "backups").rename(home / "offline")
    shown = part(preview(backup, "tacacs-hq"), "config")
    assert shown.configuration == ()
    assert shown.notes[0].startswith("the configuration cannot be compared: ")
    assert "offline" not in shown.notes[0]


def test_missing_damaged_and_locked_files_are_said(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    data = tacacs_root / "data"
    as_it_was = Ownership.of((data / "devices.db").stat())
    (data / "devices.db").unlink()
    (data / "local_auth.db").write_bytes(b"no database" * 500)
    with exclusively_locked(data / "audit_trail.db"):
        shown = preview(backup, "tacacs-hq")
    assert {found.name: (found.state, found.notes) for found in shown.components if found.state != "present"} == {
        "devices": ("missing", (f"{data}/devices.db does not exist now and will be created with {as_it_was}",)),
        "users": ("damaged", (f"{data}/local_auth.db is not a SQLite database. It will be replaced.",)),
        "audit": ("unreadable", (f"{data}/audit_trail.db stayed locked by another process for 1 s.",)),
    }
    assert shown.loss == "Nothing is known to be lost. What users and audit would lose is unknown."


def test_a_broken_live_configuration_is_said_and_the_rest_is_compared(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    (tacacs_root / "config" / "tacacs.conf").write_text("no section\n")
    shown = preview(backup, "tacacs-hq")
    assert part(shown, "config").notes[0].startswith("the configuration cannot be compared: ")
    assert part(shown, "devices").tables[1].now == 300


def test_a_database_too_large_to_count_in_time_is_said(tmp_path: Path) -> None:
    path = make_database(tmp_path / "large.db", rows=200_000, blob_bytes=20)
    with pytest.raises(BackupError, match=r"large.db cannot be counted: it takes longer than 0 s"):
        live_tables(path, {}, lock_timeout=1, seconds=0)


def test_a_tree_that_is_missing_is_said(shop: Path, back_up: BackUp) -> None:
    backup = back_up("shop")
    shutil.rmtree(shop / "uploads")
    assert part(preview(backup, "shop"), "uploads").notes == (f"{shop}/uploads does not exist now and will be created",)


def test_what_is_not_in_the_backup_cannot_be_selected(shop: Path, back_up: BackUp) -> None:
    shutil.rmtree(shop / "uploads")
    backup = back_up("shop")
    uploads = part(preview(backup, "shop"), "uploads")
    assert (uploads.selectable, uploads.selected) == (False, False)
    assert uploads.reason == f"it is not in the backup: {shop}/uploads does not exist."
    with pytest.raises(BackupError) as refused:
        preview(backup, "shop", ["uploads"])
    assert refused.value.hint == "Valid: orders."


def test_an_archive_of_another_instance_and_an_invalid_configuration_are_refusals(
    tacacs_root: Path, declare: Declare, back_up: BackUp
) -> None:
    file = tacacs_root / "config" / "tacacs.conf"
    file.write_text(file.read_text().replace("port = 49\n", "port = 0\n"))
    backup = back_up()
    change(tacacs_root / "data" / "config_overrides.db", "UPDATE system_metadata SET value = 'instance_1'")
    declare(f'[tacacs-lab]\nkind="tacacs"\nroot="{tacacs_root}"\nconfig="config/tacacs.conf"\n')
    shown = preview(backup, "tacacs-lab")
    assert shown.refusals == (
        "The archive is of instance tacacs-hq, not of tacacs-lab. It needs --other-instance.",
        "The configuration is not valid: [server] port is not between 1 and 65535: it needs --force-invalid-config.",
    )


def test_an_undo_shows_what_the_safety_backup_brings_back_and_takes_away(shop: Path, back_up: BackUp) -> None:
    backup = back_up("shop")
    shutil.rmtree(shop / "uploads")
    change(shop / "orders.db", "DELETE FROM orders")
    done = restore(backup)
    assert done.safety_backup is not None
    shown = preview(done.safety_backup, "shop", undo_of=done)
    assert shown.loss == "At least 10 orders rows and all of uploads will be gone."
    assert part(shown, "uploads").notes == ("uploads did not exist when the backup was made and will be removed",)


def test_the_servers_own_archives_are_previewed_like_ours(tacacs_root: Path, home: Path, settings: Settings) -> None:
    settings.BACKUP_ENCRYPTION_PASSPHRASE = SERVER_PASSPHRASE
    change(tacacs_root / "data" / "local_auth.db", "DELETE FROM local_users WHERE id = 1")
    for file in (SERVER_PLAIN, SERVER_ENCRYPTED):
        shown = preview(file, "tacacs-hq")
        assert (shown.application, shown.format, shown.triggered_by) == ("TACACS+ server 0.1.0", 0, "ceo")
        assert part(shown, "users").loss == "1 users row that is not there now will be back"
        assert part(shown, "config").notes == ()
    assert preview(SERVER_PLAIN, "tacacs-hq").archive_sha256 == SERVER_SHA256


def test_a_file_that_is_no_archive_is_one_error(tacacs_root: Path, home: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no archive")
    with pytest.raises(ArchiveError, match="not compressed with gzip or zstd"):
        preview(tmp_path / "notes.txt", "tacacs-hq")
    with pytest.raises(ArchiveError, match="cannot be read: No such file or directory"):
        preview(tmp_path / "gone.tar.gz", "tacacs-hq")


def test_nothing_is_changed(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    (tacacs_root / "data" / "devices.db").unlink()
    before = state_of(tacacs_root)
    preview(backup, "tacacs-hq")
    assert state_of(tacacs_root) == before
