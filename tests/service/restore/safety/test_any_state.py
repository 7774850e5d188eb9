"""The safety backup of an instance in any state, and the undo."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.databases.sqlite_files import leave_hot_journal, rows_of
from tests.support.restores.database_content import CONF, content
from tests.support.restores.instance_restores import (
    TACACS_DATABASES,
    all_rows,
    change,
    drafts,
    restore,
    tacacs_state,
    the_restore,
    undo,
)
from tests.support.site_fixtures import BackUp, Listing

pytestmark = pytest.mark.django_db
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
