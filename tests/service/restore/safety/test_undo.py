"""An undo goes where the restore went."""

from pathlib import Path

import pytest

from backups.errors import BackupError
from tests.support.databases.sqlite_files import make_database
from tests.support.restores.database_content import CONF, content
from tests.support.restores.instance_restores import change, restore, tacacs_state, undo
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db
DEVICES = "data/devices.db"


def test_an_undo_deletes_nothing_else_when_the_restore_had_moved_a_database(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    conf = tacacs_root / CONF
    assert "database = data/devices.db" in conf.read_text()
    conf.write_text(conf.read_text().replace("database = data/devices.db", "database = data/moved.db"))
    (tacacs_root / DEVICES).rename(tacacs_root / "data" / "moved.db")
    change(tacacs_root / "data" / "moved.db", "DELETE FROM devices WHERE id > 7")
    before = content(tacacs_root)
    restored = restore(backup)
    assert (tacacs_root / DEVICES).exists()
    assert restored.outcome["devices"]["path"] == str(tacacs_root / DEVICES)
    undo(restored)
    after = content(tacacs_root)
    assert after.keys() == before.keys()
    assert after["data/moved.db"] == before["data/moved.db"]
    assert after[CONF] == before[CONF]


def test_an_undo_of_everything_goes_where_the_restore_went_although_the_configuration_moved_since(
    tacacs_root: Path, back_up: BackUp
) -> None:
    backup = back_up()
    change(tacacs_root / DEVICES, "DELETE FROM devices WHERE id > 7")
    restored = restore(backup, components=["devices"])
    conf = tacacs_root / CONF
    conf.write_text(conf.read_text().replace("database = data/devices.db", "database = data/other.db"))
    other = make_database(tacacs_root / "data" / "other.db").read_bytes()
    undo(restored)
    assert (tacacs_root / "data" / "other.db").read_bytes() == other
    assert len(tacacs_state(tacacs_root)["devices"]["devices"]) == 7  # type: ignore[index]


def test_a_database_behind_a_link_is_restored_and_undone_where_it_is(tacacs_root: Path, back_up: BackUp) -> None:
    store = tacacs_root / "store"
    store.mkdir()
    (tacacs_root / DEVICES).rename(store / "real.db")
    (tacacs_root / DEVICES).symlink_to("../store/real.db")
    backup = back_up()
    good = tacacs_state(tacacs_root)
    (store / "real.db").unlink()
    before = content(tacacs_root)
    restored = restore(backup)
    assert tacacs_state(tacacs_root) == good
    assert (tacacs_root / DEVICES).is_symlink() and (store / "real.db").is_file()
    undo(restored)
    assert content(tacacs_root).keys() == before.keys()
    assert (tacacs_root / DEVICES).is_symlink() and not (store / "real.db").exists()


def test_a_link_that_leads_out_of_the_root_by_now_is_not_followed(
    tacacs_root: Path, back_up: BackUp, tmp_path: Path
) -> None:
    backup = back_up()
    restored = restore(backup, components=["devices"])
    outside = make_database(tmp_path / "outside.db")
    before = outside.read_bytes()
    (tacacs_root / DEVICES).unlink()
    (tacacs_root / DEVICES).symlink_to(outside)
    for attempt in (lambda: restore(backup, components=["devices"]), lambda: undo(restored)):
        with pytest.raises(BackupError, match=r"lies outside the root"):
            attempt()
    assert outside.read_bytes() == before
