"""Overrides are merged as the server merges them; the text of a URL is read from its cache and never restored."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from backups.errors import MissingComponent
from backups.instances import get_instance
from backups.instances.kinds.tacacs.configuration import exported_value
from backups.service.restore.preview.build import preview
from tests.support.restores.instance_restores import restore
from tests.support.site_fixtures import BackUp, Declare

URL = '[tacacs-hq]\nkind = "tacacs"\nroot = "{root}"\nconfig = "https://config.invalid/tacacs.conf"\n'


@pytest.mark.parametrize(
    ("kind", "stored", "exported"),
    [
        ("", '"plain"', "plain"),
        ("json", '"plain"', "plain"),
        ("fancy", "True", "True"),
        ("fancy", "true", "true"),
        ("", "[1,2]", "[1, 2]"),
        ("", "1.50", "1.5"),
        ("string", '"quoted"', '"quoted"'),
        ("json", "null", "None"),
        ("json", "[" * 100_000, "[" * 100_000),
    ],
)
def test_a_value_without_a_known_type_is_read_as_json_first(kind: str, stored: str, exported: str) -> None:
    assert exported_value(stored, kind) == exported


def test_the_key_of_an_override_is_lower_cased(tacacs_root: Path) -> None:
    with closing(sqlite3.connect(tacacs_root / "data" / "config_overrides.db")) as connection:
        connection.execute(
            "INSERT INTO config_overrides (section, key, value, active, created_by)"
            " VALUES ('devices', 'DataBase', 'data/moved.db', 1, 'tests')"
        )
        connection.commit()

    merged = get_instance("tacacs-hq").service.live().merged

    assert merged["devices"]["database"] == "data/moved.db"
    assert "DataBase" not in merged["devices"]


@pytest.mark.django_db
def test_a_url_whose_text_was_never_kept_says_what_to_do(tacacs_root: Path, declare: Declare, back_up: BackUp) -> None:
    declare(URL.format(root=tacacs_root))

    with pytest.raises(MissingComponent) as failed:
        back_up()

    assert str(tacacs_root / "data" / "config_baseline_cache.conf") in failed.value.message
    assert "URL" in failed.value.message
    assert failed.value.hint.startswith("Start the server")


@pytest.mark.django_db
def test_neither_preview_nor_restore_lists_the_cached_text_of_a_url(
    tacacs_root: Path, declare: Declare, back_up: BackUp
) -> None:
    declare(URL.format(root=tacacs_root))
    cache = tacacs_root / "data" / "config_baseline_cache.conf"
    cache.write_bytes((tacacs_root / "config" / "tacacs.conf").read_bytes())
    backup = back_up()
    cache.write_text("[auth]\nbackends = local\n")

    assert cache.name not in str(preview(backup, "tacacs-hq").to_dict())
    done = restore(backup)

    assert done.outcome["config"]["path"] == str(tacacs_root / "data" / "config_overrides.db")
    assert cache.name not in str((done.outcome, done.warnings))
    assert cache.read_text() == "[auth]\nbackends = local\n"
