"""Restoring the configuration of a TACACS+ server: whole, its file or its overrides."""

from collections.abc import Callable
from pathlib import Path

import pytest

from backups.errors import BackupError
from backups.models import RestoreExecution
from tests.support.restores.component_restores import change, dump, restore, state_of
from tests.support.restores.tacacs_configuration import OVERRIDE, edit, failure, live
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db


def test_the_whole_configuration_is_file_and_overrides_with_their_history(
    tacacs_root: Path, file: Path, overrides: Path, back_up: BackUp
) -> None:
    before = state_of(tacacs_root)
    backup = back_up()
    edit(file, "port = 49\n", "port = 50\n")
    change(overrides, OVERRIDE.format("server", "host", "10.0.0.1"), "DELETE FROM config_history")

    done = restore(backup, "config")

    assert state_of(tacacs_root) == before
    assert {name: note["state"] for name, note in done.outcome.items()} == {"config": "restored"}


def test_the_file_alone_leaves_the_overrides(file: Path, overrides: Path, back_up: BackUp) -> None:
    original = file.read_bytes()
    backup = back_up()
    edit(file, "port = 49\n", "port = 50\n")
    change(overrides, OVERRIDE.format("server", "host", "10.0.0.1"))
    restore(backup, "config.file")
    assert file.read_bytes() == original
    assert live()["server"]["host"] == "10.0.0.1"


def test_the_overrides_alone_leave_the_file(file: Path, overrides: Path, back_up: BackUp) -> None:
    original = dump(overrides)
    backup = back_up()
    edit(file, "port = 49\n", "port = 50\n")
    change(overrides, OVERRIDE.format("server", "host", "10.0.0.1"))
    restore(backup, "config.overrides")
    assert dump(overrides) == original
    assert (live()["server"]["host"], live()["server"]["port"]) == ("0.0.0.0", "50")  # noqa: S104


def test_an_invalid_configuration_can_be_forced_and_that_is_recorded(file: Path, back_up: BackUp) -> None:
    edit(file, "port = 49\n", "port = 0\n")
    backup = back_up()
    edit(file, "port = 0\n", "port = 49\n")
    assert failure(backup, "config").message.endswith("[server] port is not between 1 and 65535.")
    done = restore(backup, "config", force_invalid_config=True)
    assert live()["server"]["port"] == "0"
    assert done.force_invalid_config
    assert done.warnings == ["Forced: the configuration is not valid: [server] port is not between 1 and 65535."]


def test_an_invalid_live_configuration_does_not_stop_the_restore_of_a_database(
    tacacs_root: Path, file: Path, back_up: BackUp
) -> None:
    backup = back_up()
    before = dump(tacacs_root / "data" / "devices.db")
    edit(file, "port = 49\n", "port = 0\n")
    change(tacacs_root / "data" / "devices.db", "DELETE FROM devices")
    restore(backup, "devices")
    assert dump(tacacs_root / "data" / "devices.db") == before


def test_databases_come_back_where_the_restored_configuration_says(
    tacacs_root: Path, file: Path, back_up: BackUp
) -> None:
    backup = back_up()
    rows = dump(tacacs_root / "data" / "devices.db")
    (tacacs_root / "data" / "devices.db").rename(tacacs_root / "data" / "elsewhere.db")
    edit(file, "database = data/devices.db", "database = data/elsewhere.db")
    change(tacacs_root / "data" / "elsewhere.db", "DELETE FROM devices")
    now = dump(tacacs_root / "data" / "elsewhere.db")
    restore(backup, "config", "devices")
    assert dump(tacacs_root / "data" / "devices.db") == rows
    assert dump(tacacs_root / "data" / "elsewhere.db") == now


def test_a_rollback_leaves_no_overrides_and_no_file_where_there_were_none(
    tacacs_root: Path, file: Path, overrides: Path, home: Path, declare: Callable[[str], None], back_up: BackUp
) -> None:
    backup = back_up()
    spoil = f"echo garbage > {home}/workspaces/$BACKUPSITE_RUN/staged/local_auth.db"
    declare(
        f'[tacacs-hq]\nkind="tacacs"\nroot="{tacacs_root}"\nconfig="config/tacacs.conf"\n'
        f'[tacacs-hq.hooks]\nbefore_restore=["sh", "-c", "{spoil}"]\n'
    )
    overrides.unlink()
    file.unlink()
    before = state_of(tacacs_root)
    with pytest.raises(BackupError):
        restore(backup, "config", "users")
    row = RestoreExecution.objects.get()
    assert "is not a SQLite database" in row.error_message
    assert "what it had changed was rolled back" in row.error_message.lower()
    assert {name: note["state"] for name, note in row.outcome.items()} == {
        "config": "rolled back", "users": "unchanged",
    }  # fmt: skip
    assert state_of(tacacs_root) == before
    assert (overrides.exists(), file.exists()) == (False, False)


def test_a_backup_without_overrides_takes_later_overrides_away(
    tacacs_root: Path, overrides: Path, declare: Callable[[str], None], back_up: BackUp
) -> None:
    declare(f'[tacacs-hq]\nkind="tacacs"\nroot="{tacacs_root}"\nconfig="config/tacacs.conf"\noptional=["overrides"]\n')
    kept = overrides.read_bytes()
    overrides.unlink()
    configuration = live()
    backup = back_up()
    overrides.write_bytes(kept)
    assert live() != configuration
    done = restore(backup, "config")
    assert live() == configuration
    assert not overrides.exists()
    restore(done.safety_backup, "config", undo_of=done)  # type: ignore[arg-type]
    assert live() != configuration


def test_a_configuration_from_a_url_comes_back_by_its_overrides_only(
    tacacs_root: Path, file: Path, overrides: Path, declare: Callable[[str], None], back_up: BackUp
) -> None:
    cache = tacacs_root / "data" / "config_baseline_cache.conf"
    file.rename(cache)
    declare(f'[tacacs-hq]\nkind="tacacs"\nroot="{tacacs_root}"\nconfig="https://example.net/tacacs.conf"\n')
    change(overrides, OVERRIDE.format("ldap", "timeout", "7"))
    backup = back_up()
    edit(cache, "port = 49\n", "port = 50\n")
    change(overrides, "UPDATE config_overrides SET value = '99' WHERE key = 'timeout'")
    served = cache.read_bytes()
    restore(backup, "config.section:ldap")
    assert live()["ldap"]["timeout"] == "7"
    change(overrides, "UPDATE config_overrides SET value = '98' WHERE key = 'timeout'")
    restore(backup, "config")
    assert (live()["ldap"]["timeout"], live()["server"]["port"]) == ("7", "50")
    assert cache.read_bytes() == served
    assert failure(backup, "config.file").message == (
        "The configuration of tacacs-hq comes from a URL, so config.file cannot be restored."
    )
