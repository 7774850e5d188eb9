"""Restoring the configuration of a TACACS+ server: whole, its file, its overrides, single sections."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from backups.errors import BackupError
from backups.instances import get_instance
from backups.instances.kinds.layers import Configuration, configuration_hash
from backups.models import BackupExecution, RestoreExecution
from tests.support.databases.sqlite_files import rows_of
from tests.support.restores.component_restores import change, dump, restore, state_of

pytestmark = pytest.mark.django_db

BackUp = Callable[..., BackupExecution]
LDAP = "[ldap]\nserver = ldap://localhost:389\n"
COMMENTED = "# the directory, ask Bob\n[ldap]\n# only here\nserver = ldap://old.example:389\n"
OVERRIDE = (
    "INSERT INTO config_overrides (section, key, value, value_type, created_by, active)"
    " VALUES ('{}', '{}', '{}', 'string', 'bob', 1)"
)


@pytest.fixture
def file(tacacs_root: Path) -> Path:
    return tacacs_root / "config" / "tacacs.conf"


@pytest.fixture
def overrides(tacacs_root: Path) -> Path:
    return tacacs_root / "data" / "config_overrides.db"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_bytes().decode()
    assert old in text
    path.write_bytes(text.replace(old, new).encode())


def live() -> Configuration:
    return get_instance("tacacs-hq").service.live().merged


def failure(backup: BackupExecution, *components: str, **options: bool) -> BackupError:
    """Return why the restore failed; its row says the same."""
    with pytest.raises(BackupError) as failed:
        restore(backup, *components, **options)
    row = RestoreExecution.objects.latest("created_at")
    assert row.status == "failed"
    assert row.error_message.startswith(failed.value.message)
    assert "nothing was changed" in row.error_message.lower()
    return failed.value


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


def test_a_section_is_replaced_and_every_other_byte_stays(file: Path, overrides: Path, back_up: BackUp) -> None:
    edit(file, LDAP, COMMENTED)
    change(overrides, OVERRIDE.format("ldap", "timeout", "7"))
    edit(file, "timeout = 10\n\n[database]", "timeout = 10\n\n; kept for the auditors\n[database]")
    backup = back_up()
    then = file.read_bytes()
    edit(file, COMMENTED, "# the directory, ask Carol\n[ldap]\nserver = ldap://new.example:389\nextra = 1\n")
    edit(file, "; kept for the auditors", "; kept for the auditors until 2030")
    edit(file, "port = 49\n", "port = 50\r\n")
    change(
        overrides,
        "UPDATE config_overrides SET active = 0 WHERE section = 'ldap'",
        OVERRIDE.format("ldap", "timeout", "99"),
        OVERRIDE.format("server", "host", "10.0.0.1"),
    )

    restore(backup, "config.section:ldap")

    expected = then.replace(b"ask Bob", b"ask Carol").replace(b"port = 49\n", b"port = 50\r\n")
    assert file.read_bytes() == expected.replace(b"auditors", b"auditors until 2030")
    assert live()["ldap"] | {"base_dn": ""} == {
        "server": "ldap://old.example:389", "base_dn": "", "user_attribute": "uid", "bind_dn": "",
        "bind_password": "", "use_tls": "false", "timeout": "7",
    }  # fmt: skip
    assert live()["server"]["host"] == "10.0.0.1"


def test_a_restored_section_has_an_entry_in_the_configuration_history(
    file: Path, overrides: Path, back_up: BackUp
) -> None:
    backup = back_up()
    entries = len(rows_of(overrides, "SELECT id FROM config_history"))
    edit(file, "timeout = 10\n\n[database]", "timeout = 99\n\n[database]")
    restore(backup, "config.section:ldap")
    columns = "section, old_value, new_value, changed_by, change_reason, config_hash"
    *others, newest = rows_of(overrides, f"SELECT {columns} FROM config_history ORDER BY id")
    section, old, new, *rest = newest
    assert (section, len(others)) == ("ldap", entries)
    assert (json.loads(str(old))["timeout"], json.loads(str(new))["timeout"]) == ("99", "10")
    assert rest == ["tests", "section restored from a backup", configuration_hash(live())]


def test_a_section_that_is_gone_comes_back_at_the_end(file: Path, back_up: BackUp) -> None:
    backup = back_up()
    whole = file.read_bytes()
    start = whole.index(b"[webhooks]")
    end = whole.index(b"[logging]")
    file.write_bytes(whole[:start] + whole[end:])
    restore(backup, "config.section:webhooks")
    assert (
        file.read_bytes()
        == whole[:start] + whole[end:].rstrip(b"\n") + b"\n\n" + whole[start:end].rstrip(b"\n") + b"\n"
    )


def test_several_parts_come_back_together(file: Path, back_up: BackUp) -> None:
    backup = back_up()
    original = file.read_bytes()
    edit(file, "port = 49\n", "port = 50\n")
    edit(file, "cleanup_days = 90", "cleanup_days = 1")
    edit(file, "web_port = 8080", "web_port = 8081")
    done = restore(backup, "config.section:server", "config.section:database")
    assert file.read_bytes() == original.replace(b"web_port = 8080", b"web_port = 8081")
    assert list(done.outcome) == ["config.section:server", "config.section:database"]


def test_a_section_that_the_backup_does_not_have_is_refused_with_those_it_has(
    tacacs_root: Path, back_up: BackUp
) -> None:
    backup = back_up()
    before = state_of(tacacs_root)
    error = failure(backup, "config.section:nothing")
    assert error.message == "The archive has no section [nothing]."
    assert error.hint.startswith("It has: server, auth, ")
    assert state_of(tacacs_root) == before


def test_a_section_that_would_make_the_whole_invalid_is_refused_before_anything_is_touched(
    tacacs_root: Path, file: Path, back_up: BackUp
) -> None:
    backup = back_up()
    edit(file, "[okta]\norg_url = https://example.okta.com", "[okta]\norg_url = ")
    edit(file, "backends = local,okta", "backends = local")
    before = state_of(tacacs_root)
    error = failure(backup, "config.section:auth")
    assert error.message == "The configuration would not be valid: [okta] org_url is not set."
    assert error.hint == "Restore without config, or force it with --force-invalid-config."
    assert state_of(tacacs_root) == before
    assert BackupExecution.objects.filter(kind="safety").count() == 0


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
