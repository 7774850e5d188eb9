"""The server's own defaults lie below its file: a configuration that it starts with is backed up and restored."""

import json
import tarfile
from pathlib import Path

import pytest

from backups.errors import BackupError
from backups.instances import get_instance
from backups.instances.kinds.tacacs.defaults import DEFAULTS
from backups.service.automation.sync import sync
from backups.service.drill.run import drill
from destinations.models import BackupDestination
from tests.support.archives.stored import file_of
from tests.support.restores.instance_restores import restore
from tests.support.site_fixtures import BackUp

SMALL = "[server]\nport = 4949\n\n[auth]\nbackends = local\n"
VAULT = "\n[backup.destinations.vault]\ntype = local\n"


@pytest.fixture
def config(tacacs_root: Path) -> Path:
    config = tacacs_root / "config" / "tacacs.conf"
    config.write_text(SMALL)
    return config


def test_a_small_file_is_merged_with_the_defaults(config: Path) -> None:
    merged = get_instance("tacacs-hq").service.live().merged

    assert merged["server"]["port"] == "4949"
    assert merged["server"]["tcp_keepidle"] == "60"
    assert merged.keys() >= DEFAULTS.keys()
    assert get_instance("tacacs-hq").service.findings(merged) == []


@pytest.mark.django_db
def test_a_small_file_is_backed_up_drilled_and_restored(config: Path, back_up: BackUp) -> None:
    backup = back_up()
    assert [warning for warning in backup.warnings if "not valid" in warning] == []
    assert drill(backup, by="tests").verdict == "passed"

    config.write_text(SMALL + "[admin]\nusername = somebody\n")
    restore(backup)

    assert config.read_text() == SMALL


@pytest.mark.django_db
def test_the_merged_export_has_the_defaults_behind_the_keys_of_the_file(config: Path, back_up: BackUp) -> None:
    with tarfile.open(file_of(back_up())) as archive:
        export = json.load(archive.extractfile("config_export.json"))  # type: ignore[arg-type]

    assert list(export["server"])[:2] == ["port", "host"]
    assert (export["server"]["port"], export["devices"]["database"]) == ("4949", "data/devices.db")


@pytest.mark.django_db
def test_only_sections_of_the_file_and_of_overrides_are_parts_of_a_backup(config: Path, back_up: BackUp) -> None:
    backup = back_up()

    with pytest.raises(BackupError, match=r"The archive has no section \[syslog\]\."):
        restore(backup, components=["config.section:syslog"])


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("declared", "rule"),
    [
        ("[backup]\ndefault_retention_strategy = gfs\n", ("gfs", None, 7, 4, 12, 3)),
        ("[backup]\ndefault_retention_strategy = simple\n", ("simple", 30, None, None, None, None)),
        ("[backup]\ndefault_retention_strategy = gfs\ngfs_keep_daily = 2\n", ("gfs", None, 2, 4, 12, 3)),
    ],
)
def test_a_strategy_alone_takes_the_numbers_of_the_server(
    declared: str, rule: tuple[object, ...], config: Path
) -> None:
    config.write_text(SMALL + declared + VAULT)

    assert sync("tacacs-hq").problems == []

    row = BackupDestination.objects.get(name="tacacs-hq-vault")
    numbers = (row.retention_days, row.keep_daily, row.keep_weekly, row.keep_monthly, row.keep_yearly)
    assert (row.retention_strategy, *numbers) == rule
