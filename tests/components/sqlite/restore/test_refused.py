"""Databases that cannot be written, and copies that are cancelled."""

import os
from pathlib import Path

import pytest

from backups.components.sqlite.restore import restore_into
from backups.errors import BackupError, Untouched
from tests.support.databases.live_restores import LOCK_TIMEOUT, restore_and_verify, staged_copy
from tests.support.databases.sqlite_files import make_database
from tests.support.processes.unprivileged_user import NOBODY, open_way, run_as_nobody
from tests.support.restores.instance_restores import all_rows, tree

WITHOUT_RIGHTS = """
import os, sys
from pathlib import Path
from backups.components.sqlite.restore import restore_into
from backups.errors import Untouched
os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})
try:
    restore_into(Path(sys.argv[1]), Path(sys.argv[2]), lock_timeout=1, checkpoint=lambda _: None)
except Untouched as error:
    print(error.message, "|", error.hint)
"""


def as_nobody(staged: Path, live: Path) -> str:
    open_way(live.parent)
    os.chown(staged.parent, NOBODY, NOBODY)
    os.chown(staged, NOBODY, NOBODY)
    return run_as_nobody(WITHOUT_RIGHTS, str(staged), str(live))


def test_a_live_database_that_this_user_may_not_write_is_named(live: Path) -> None:
    live.chmod(0o644)
    before = tree(live.parent)
    message = as_nobody(staged_copy(live), live)
    assert message == (
        f"{live} cannot be written: attempt to write a readonly database."
        " | Check that this user may write the file and its folder."
    )
    assert tree(live.parent) == before


def test_a_folder_that_this_user_may_not_write_is_named(live: Path) -> None:
    staged = staged_copy(live)
    live.unlink()
    message = as_nobody(staged, live)
    assert message.startswith(f"{live} cannot be written: Permission denied. | Check that this user may write there")


def test_a_folder_in_the_place_of_the_database_is_refused(live: Path) -> None:
    staged = staged_copy(live)
    live.unlink()
    live.mkdir()
    with pytest.raises(Untouched, match=r"orders\.db cannot be written: unable to open database file\.$"):
        restore_and_verify(staged, live)


def test_a_cancelled_copy_leaves_the_live_database_unchanged(live: Path) -> None:
    source = make_database(live.parent.parent / "orders.db", rows=40, blob_bytes=1 << 20)
    staged = staged_copy(source)
    before = all_rows(live)
    told = []

    def stop(copied: int) -> None:
        told.append(copied)
        if sum(told) > 20 << 20:
            raise BackupError("enough")

    with pytest.raises(BackupError, match=r"^enough$") as stopped:
        restore_into(staged, live, lock_timeout=LOCK_TIMEOUT, checkpoint=stop)
    assert stopped.value.untouched
    assert all_rows(live) == before
