"""A configuration that cannot be read: the error is kept, so that a locked database is waited for once."""

from pathlib import Path

import pytest

from backups.errors import ComponentError
from backups.instances import get_instance
from tests.support.databases.sqlite_files import exclusively_locked

OVERRIDES = "data/config_overrides.db"


def test_a_locked_database_is_waited_for_once(tacacs_root: Path) -> None:
    live = get_instance("tacacs-hq").service.live(lock_timeout=0.01)
    with exclusively_locked(tacacs_root / OVERRIDES), pytest.raises(ComponentError) as first:
        _ = live.merged
    # it is free again, and not tried again
    with pytest.raises(ComponentError) as second:
        _ = live.merged
    assert second.value is first.value
    assert get_instance("tacacs-hq").service.live().merged


def test_a_missing_file_is_looked_for_once(tacacs_root: Path) -> None:
    file = tacacs_root / "config" / "tacacs.conf"
    text = file.read_bytes()
    file.unlink()
    live = get_instance("tacacs-hq").service.live()
    with pytest.raises(ComponentError) as first:
        _ = live.layers
    file.write_bytes(text)
    with pytest.raises(ComponentError) as second:
        _ = live.merged
    assert second.value is first.value
