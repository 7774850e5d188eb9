"""The preview of a part of the configuration says what a restore of that part changes, and nothing else."""

import json
from pathlib import Path

import pytest

from backups.errors import BackupError
from backups.instances import get_instance
from backups.instances.kinds.layers import Configuration
from backups.instances.masking import masked
from backups.lib.filesystem.ownership import Ownership
from backups.models import BackupExecution
from backups.service.restore.preview.build import preview
from backups.service.restore.preview.component import ComponentPreview
from tests.support.archives.crafted import SERVER_PLAIN
from tests.support.restores.component_restores import change, restore
from tests.support.site_fixtures import BackUp, Declare

pytestmark = pytest.mark.django_db

OVERRIDE = (
    "INSERT INTO config_overrides (section, key, value, value_type, created_by, active)"
    " VALUES ('{}', '{}', '{}', 'string', 'eve', 1)"
)
PARTS = [
    ["config"],
    ["config.file"],
    ["config.overrides"],
    ["config.section:server"],
    ["config.section:webhooks"],
    ["config.section:ldap"],
    ["config.section:server", "config.section:ldap"],
    ["config.file", "config.section:server"],
    ["config.overrides", "config.section:webhooks"],
]
Changes = dict[tuple[str, str], tuple[str | None, str | None]]


def config(source: BackupExecution | Path, *components: str) -> ComponentPreview:
    return next(found for found in preview(source, "tacacs-hq", components).components if found.name == "config")


def changes(found: ComponentPreview) -> Changes:
    return {(item.section, item.key): (item.now, item.backup) for item in found.configuration}


def spoil(root: Path) -> None:
    """Change keys of the file, of the overrides, and one that an override hides."""
    file = root / "config" / "tacacs.conf"
    file.write_text(
        file.read_text()
        .replace("listen_backlog = 128", "listen_backlog = 999")
        .replace("log_level = INFO", "log_level = ERROR")
        .replace("[webhooks]\nurls = \n", "[webhooks]\nurls = https://hook:Hunter-22@hooks.example\n")
        .replace("bind_password = ", "bind_password = Hunter-22")
    )
    change(
        root / "data" / "config_overrides.db",
        "UPDATE config_overrides SET active = 0 WHERE key = 'socket_timeout'",
        OVERRIDE.format("webhooks", "timeout", "9"),
        OVERRIDE.format("okta", "api_token", "Hunter-22"),
    )


def merged_now() -> Configuration:
    service = get_instance("tacacs-hq").service
    return masked(service.live().merged, service.is_secret)


@pytest.mark.parametrize("parts", PARTS, ids=" ".join)
def test_what_it_foresees_is_what_the_restore_does(tacacs_root: Path, back_up: BackUp, parts: list[str]) -> None:
    backup = back_up()
    spoil(tacacs_root)
    before, foreseen = merged_now(), config(backup, *parts)
    restore(backup, *parts)
    after = merged_now()
    keys = {(name, key) for side in (before, after) for name, values in side.items() for key in values}
    pairs = {(name, key): (before.get(name, {}).get(key), after.get(name, {}).get(key)) for name, key in keys}
    assert changes(foreseen) == {key: (now, then) for key, (now, then) in pairs.items() if now != then}
    assert changes(foreseen)


def test_a_part_shows_its_own_difference_and_its_own_tables(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    spoil(tacacs_root)
    file = config(backup, "config.file")
    assert {key for _, key in changes(file)} == {"listen_backlog", "urls", "bind_password"}
    assert (file.tables, file.loss) == ((), "the present values of 3 configuration keys will be gone")
    overrides = config(backup, "config.overrides")
    assert changes(overrides).keys() == {("webhooks", "timeout"), ("okta", "api_token")}
    assert [table.name for table in overrides.tables if table.difference] == ["config_overrides"]
    section = config(backup, "config.section:ldap")
    assert changes(section).keys() == {("ldap", "bind_password")}
    assert (section.tables, section.notes) == ((), ())
    assert section.loss == "the present value of 1 configuration key will be gone"


def test_every_part_is_listed_with_its_changes_and_without_a_secret(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    spoil(tacacs_root)
    shown = config(backup)
    counts = {part.name: len(part.changes) for part in shown.parts if part.changes}
    assert counts == {
        "config.file": 3,
        "config.section:server": 1,
        "config.section:ldap": 1,
        "config.section:webhooks": 2,
        "config.section:okta": 1,
        "config.overrides": 2,
    }
    assert "Hunter" not in json.dumps(preview(backup, "tacacs-hq").to_dict())
    assert "Hunter" not in json.dumps(backup.config_json)


def test_what_is_not_restored_is_not_looked_for(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    (tacacs_root / "data" / "config_overrides.db").unlink()
    assert config(backup, "config.file").notes == ()
    assert config(backup, "config.overrides").state == "missing"


def test_a_part_that_would_make_the_whole_invalid_is_a_refusal(tacacs_root: Path, back_up: BackUp) -> None:
    file = tacacs_root / "config" / "tacacs.conf"
    good = file.read_text()
    file.write_text(good.replace("port = 49\n", "port = 0\n"))
    backup = back_up()
    file.write_text(good)
    (refusal,) = preview(backup, "tacacs-hq", ["config.section:server"]).refusals
    assert refusal.startswith("The configuration is not valid: [server] port is not between 1 and 65535")
    assert preview(backup, "tacacs-hq", ["config.section:ldap"]).refusals == ()
    assert preview(backup, "tacacs-hq", ["config.overrides"]).refusals == ()


@pytest.mark.parametrize("from_row", [True, False])
def test_a_configuration_from_a_url_keeps_its_text(
    tacacs_root: Path, declare: Declare, back_up: BackUp, *, from_row: bool
) -> None:
    cache = tacacs_root / "data" / "config_baseline_cache.conf"
    cache.write_bytes((tacacs_root / "config" / "tacacs.conf").read_bytes())
    declare(f'[tacacs-hq]\nkind = "tacacs"\nroot = "{tacacs_root}"\nconfig = "https://config.example/tacacs.conf"\n')
    backup = back_up()
    if not from_row:
        BackupExecution.objects.filter(pk=backup.pk).update(config_json=None)
        backup.refresh_from_db()
    cache.write_text(cache.read_text().replace("port = 49\n", "port = 50\n"))
    change(tacacs_root / "data" / "config_overrides.db", OVERRIDE.format("webhooks", "timeout", "9"))
    assert changes(config(backup, "config")) == {("webhooks", "timeout"): ("9", "3")}
    assert "config.file" not in {part.name for part in config(backup).parts}
    shown = preview(backup, "tacacs-hq", ["config.file"])
    assert shown.refusals == ("The configuration of tacacs-hq comes from a URL, so config.file cannot be restored.",)


def test_an_undo_is_not_refused_for_a_configuration_that_was_invalid_before(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    file = tacacs_root / "config" / "tacacs.conf"
    file.write_text(file.read_text().replace("port = 49\n", "port = 0\n"))
    done = restore(backup)
    assert done.safety_backup is not None
    assert preview(done.safety_backup, "tacacs-hq", undo_of=done).refusals == ()


def test_parts_of_the_servers_own_archive_are_foreseen_from_the_file(tacacs_root: Path, home: Path) -> None:
    spoil(tacacs_root)
    assert {key for _, key in changes(config(SERVER_PLAIN, "config.file"))} >= {"listen_backlog", "bind_password"}
    assert changes(config(SERVER_PLAIN, "config.section:ldap")).keys() == {("ldap", "bind_password")}
    assert "config.section:okta" in {part.name for part in config(SERVER_PLAIN).parts}


def test_a_section_that_the_archive_does_not_have_is_refused(tacacs_root: Path, back_up: BackUp) -> None:
    with pytest.raises(BackupError, match=r"The archive has no section \[nothing\]"):
        preview(back_up(), "tacacs-hq", ["config.section:nothing"])


def test_of_a_configuration_that_is_not_there_nothing_is_lost(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    file = tacacs_root / "config" / "tacacs.conf"
    as_it_was = Ownership.of(file.stat())
    file.unlink()
    assert preview(backup, "tacacs-hq").loss == "Nothing is known to be lost."
    assert config(backup).notes == (f"{file} does not exist now and will be created with {as_it_was}.",)
    assert config(backup, "config.section:ldap").loss_unknown
