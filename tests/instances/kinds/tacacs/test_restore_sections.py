"""Restoring sections of the configuration of a TACACS+ server: every other byte stays."""

import json
from pathlib import Path

import pytest

from backups.instances.kinds.layers import configuration_hash
from backups.models import BackupExecution
from tests.support.databases.sqlite_files import rows_of
from tests.support.restores.component_restores import change, restore, state_of
from tests.support.restores.tacacs_configuration import OVERRIDE, edit, failure, live
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db
LDAP = "[ldap]\nserver = ldap://localhost:389\n"
COMMENTED = "# the directory, ask Bob\n[ldap]\n# only here\nserver = ldap://old.example:389\n"


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
    assert error.option == "--force-invalid-config"
    assert state_of(tacacs_root) == before
    assert BackupExecution.objects.filter(kind="safety").count() == 0
