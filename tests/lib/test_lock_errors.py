"""A lock file that this process cannot open is one clear error."""

import os
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from backups.errors import BackupError
from backups.lib import locks
from backups.runs import workspace

NOBODY = 65534


@pytest.fixture
def as_nobody(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder that everybody may read and enter, and be another user for the length of the test."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    folder = Path("/tmp") / f"locks-{tmp_path.name}-{os.getpid()}"
    folder.mkdir(mode=0o755)
    (folder / "lock").touch(mode=0o600)
    os.seteuid(NOBODY)
    try:
        yield folder
    finally:
        os.seteuid(0)
        (folder / "lock").unlink()
        folder.rmdir()


def test_a_lock_of_another_user_is_named_with_what_to_do(as_nobody: Path) -> None:
    with pytest.raises(BackupError) as refused, locks.locked(as_nobody / "lock"):
        raise AssertionError
    assert refused.value.message == f"The lock {as_nobody}/lock cannot be opened: Permission denied."
    assert "user that runs the workers" in refused.value.hint
    assert locks.holder_of(as_nobody / "lock") is locks.Holder.HIDDEN


@pytest.mark.django_db
def test_a_tick_whose_lock_cannot_be_opened_ends_with_one_error(home: Path) -> None:
    blocked = workspace.root() / "tick-backups"
    blocked.mkdir()
    with pytest.raises((BackupError, CommandError)) as refused:
        call_command("tick", stdout=StringIO())
    assert str(blocked) in str(refused.value)
