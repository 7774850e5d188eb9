"""The configuration of the TACACS+ server: its file, its overrides database and the merged export."""

import hashlib
import json
import sqlite3
import tarfile
import time
from contextlib import closing
from pathlib import Path

import pytest

from backups.components import ConfigInfo, Export, ExportContext
from backups.errors import BackupError, ComponentError, DamagedComponent, MissingComponent
from backups.instances import get_instance
from backups.instances.kinds import components_of
from backups.lib.site_paths import NO_SITE_PATHS
from tests.support.databases.sqlite_files import exclusively_locked, leave_hot_journal, rows_of
from tests.support.paths import DATA
from tests.support.site_fixtures import Declare

ARCHIVE = DATA / "archives" / "backup-tacacs-hq-20261123-014443-manual.tar.gz"
HASH = "55984cae84e838a072b29c9e48e2dc3274720d95b3489ccbefdcc6ac0e735347"


def export(folder: Path) -> Export:
    """Export the configuration of tacacs-hq into the new `folder`."""
    folder.mkdir()
    component, *_ = components_of(get_instance("tacacs-hq").service, own=NO_SITE_PATHS)
    return component.export(ExportContext(folder, 1.0, lambda _: None))


def merged(folder: Path) -> dict[str, dict[str, str]]:
    export(folder)
    return json.loads((folder / "config_export.json").read_bytes())  # type: ignore[no-any-return]


def override(root: Path, *values: object) -> None:
    with closing(sqlite3.connect(root / "data" / "config_overrides.db")) as connection:
        connection.execute(
            "INSERT INTO config_overrides(section, key, value, value_type, active, created_by)"
            " VALUES (?, ?, ?, ?, ?, 'tests')",
            values,
        )
        connection.commit()


def member(name: str) -> bytes:
    with tarfile.open(ARCHIVE) as archive:
        file = archive.extractfile(f"./{name}")
        assert file is not None
        return file.read()


def test_the_export_is_what_the_server_itself_exports(tacacs_root: Path, tmp_path: Path) -> None:
    done = export(tmp_path / "export")
    assert [(part.name, part.type) for part in done.parts] == [
        ("config_overrides.db", "database"),
        ("tacacs.conf", "config"),
        ("config_export.json", "config"),
    ]
    assert (tmp_path / "export" / "config_export.json").read_bytes() == member("config_export.json")
    assert (tmp_path / "export" / "tacacs.conf").read_bytes() == member("tacacs.conf")
    assert (done.warnings, done.absent) == ([], [])


def test_the_hash_is_the_one_the_server_records(tacacs_root: Path, tmp_path: Path) -> None:
    info = export(tmp_path / "export").config_info
    assert isinstance(info, ConfigInfo)
    assert (info.source, info.hash, info.has_overrides) == ("file", HASH, True)
    assert json.loads(member("manifest.json"))["config_info"]["config_hash"] == HASH


def test_history_and_versions_come_with_the_overrides(tacacs_root: Path, tmp_path: Path) -> None:
    export(tmp_path / "export")
    for table in ("config_overrides", "config_history", "config_versions", "system_metadata"):
        live = rows_of(tacacs_root / "data" / "config_overrides.db", f"SELECT * FROM {table}")
        assert rows_of(tmp_path / "export" / "config_overrides.db", f"SELECT * FROM {table}") == live
        assert live


OVERRIDES = [
    ("boolean", "True", "true"), ("boolean", "0", "false"), ("boolean", "yes", "true"), ("bool", "off", "false"),
    ("json", '{"b":1,"a":[true,null]}', '{"b": 1, "a": [true, null]}'), ("list", "[1,2]", "[1, 2]"),
    ("json", "not json", "not json"), ("integer", "42", "42"), ("string", "100%s ${x}", "100%s ${x}"), (None, "x", "x"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "stored", "exported"), OVERRIDES)
def test_an_override_is_exported_as_the_server_writes_it(
    kind: str | None, stored: str, exported: str, tacacs_root: Path, tmp_path: Path
) -> None:
    override(tacacs_root, "fresh", "key", stored, kind, 1)
    assert merged(tmp_path / "export")["fresh"] == {"key": exported}


def test_an_inactive_override_does_not_count(tacacs_root: Path, tmp_path: Path) -> None:
    override(tacacs_root, "server", "port", "4949", "integer", 0)
    assert merged(tmp_path / "export")["server"]["port"] == "49"


def test_an_override_decides_where_a_database_is_looked_for(tacacs_root: Path) -> None:
    override(tacacs_root, "devices", "database", "data/moved.db", "string", 1)
    paths = {
        part.name: part.sources()[0] for part in components_of(get_instance("tacacs-hq").service, own=NO_SITE_PATHS)
    }
    assert paths["devices"] == tacacs_root / "data" / "moved.db"
    assert paths["audit"] == tacacs_root / "data" / "audit_trail.db"


def test_missing_overrides_are_an_error(tacacs_root: Path, tmp_path: Path) -> None:
    overrides = tacacs_root / "data" / "config_overrides.db"
    overrides.unlink()
    with pytest.raises(MissingComponent, match=rf"^{overrides} does not exist\.$"):
        export(tmp_path / "export")


def test_missing_overrides_that_are_optional_are_absent(tacacs_root: Path, declare: Declare, tmp_path: Path) -> None:
    declare(
        f'[tacacs-hq]\nkind = "tacacs"\nroot = "{tacacs_root}"\nconfig = "config/tacacs.conf"\noptional = ["overrides"]'
    )
    overrides = tacacs_root / "data" / "config_overrides.db"
    overrides.unlink()
    done = export(tmp_path / "export")
    assert done.absent == [("config.overrides", f"{overrides} does not exist.")]
    assert done.config_info is not None
    assert done.config_info.has_overrides is False
    assert json.loads((tmp_path / "export" / "config_export.json").read_bytes())["server"]["log_level"] == "INFO"


def test_a_url_source_is_not_backed_up_but_its_cached_text_is_merged(
    tacacs_root: Path, declare: Declare, tmp_path: Path
) -> None:
    declare(f'[tacacs-hq]\nkind = "tacacs"\nroot = "{tacacs_root}"\nconfig = "https://config.invalid/tacacs.conf"')
    (tacacs_root / "config" / "tacacs.conf").rename(tacacs_root / "data" / "config_baseline_cache.conf")
    done = export(tmp_path / "export")
    assert sorted(path.name for path in (tmp_path / "export").iterdir()) == [
        "config_export.json",
        "config_overrides.db",
    ]
    assert [part.name for part in done.parts] == ["config_overrides.db", "config_export.json"]
    assert done.config_info is not None
    assert (done.config_info.source, done.config_info.hash) == ("url", HASH)


def test_a_url_source_that_was_never_fetched_is_named(tacacs_root: Path, declare: Declare) -> None:
    declare(f'[tacacs-hq]\nkind = "tacacs"\nroot = "{tacacs_root}"\nconfig = "https://config.invalid/tacacs.conf"')
    with pytest.raises(ComponentError, match=rf"^{tacacs_root}/data/config_baseline_cache\.conf does not exist\. "):
        components_of(get_instance("tacacs-hq").service, own=NO_SITE_PATHS)


INVALID = {
    "a key before the first section": ("radius_secret = hush\n", "line 1: a key before the first section"),
    "a section that stands twice": ("[a]\nx=1\n[b]\n[a]\n", "line 4: section [a] is defined twice"),
    "a key that stands twice": ("[a]\nsecret=1\nSecret=hush\n", "line 3: [a] secret is defined twice"),
    "a line that is neither": ("[a]\nx=1\nhush\nhush2\n", "line 3, 4: neither a section nor a key with a value"),
}


@pytest.mark.parametrize(("text", "finding"), INVALID.values(), ids=list(INVALID))
def test_an_invalid_file_is_named_with_its_line_and_no_content(text: str, finding: str, tacacs_root: Path) -> None:
    path = tacacs_root / "config" / "tacacs.conf"
    path.write_text(text)
    with pytest.raises(DamagedComponent) as refused:
        components_of(get_instance("tacacs-hq").service, own=NO_SITE_PATHS)
    assert refused.value.message == f"{path} is not a configuration file: {finding}."
    assert "hush" not in refused.value.message + refused.value.hint


def test_a_file_that_is_not_utf8_is_named(tacacs_root: Path) -> None:
    path = tacacs_root / "config" / "tacacs.conf"
    path.write_bytes(b"[server]\nhost = caf\xe9\n")
    with pytest.raises(DamagedComponent, match=rf"^{path} is not UTF-8: byte 19\.$"):
        components_of(get_instance("tacacs-hq").service, own=NO_SITE_PATHS)


def test_a_configuration_the_server_would_refuse_is_backed_up_with_a_warning(tacacs_root: Path, tmp_path: Path) -> None:
    override(tacacs_root, "server", "port", "99999", "integer", 1)
    done = export(tmp_path / "export")
    assert done.warnings == ["the configuration is not valid: [server] port is not between 1 and 65535"]


def test_overrides_without_their_table_are_named(tacacs_root: Path) -> None:
    path = tacacs_root / "data" / "config_overrides.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE config_overrides")
    with pytest.raises(ComponentError, match=rf"^{path} cannot be read: no such table: config_overrides\.$"):
        components_of(get_instance("tacacs-hq").service, own=NO_SITE_PATHS)


def test_overrides_that_stay_locked_are_an_error_in_time(tacacs_root: Path) -> None:
    path = tacacs_root / "data" / "config_overrides.db"
    with exclusively_locked(path):
        began = time.monotonic()
        with pytest.raises(ComponentError, match=rf"^{path} stayed locked by another process for 1 s\.$"):
            components_of(get_instance("tacacs-hq").service, own=NO_SITE_PATHS)
        assert 1 <= time.monotonic() - began < 3


def test_overrides_with_a_journal_of_a_killed_process_are_named(tacacs_root: Path) -> None:
    path = tacacs_root / "data" / "config_overrides.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("CREATE TABLE orders(item BLOB)")
        connection.executemany("INSERT INTO orders VALUES (?)", ((bytes(900),) for _ in range(400)))
        connection.commit()
    leave_hot_journal(path)
    with pytest.raises(BackupError, match="holds an unfinished transaction of a process that died"):
        components_of(get_instance("tacacs-hq").service, own=NO_SITE_PATHS)


def test_the_hash_does_not_depend_on_the_order_of_keys(tacacs_root: Path, tmp_path: Path) -> None:
    export(tmp_path / "export")
    configuration = json.loads((tmp_path / "export" / "config_export.json").read_bytes())
    canonical = json.dumps(configuration, sort_keys=True, separators=(",", ":")).encode()
    assert hashlib.sha256(canonical).hexdigest() == HASH
