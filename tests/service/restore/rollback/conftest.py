"""A spoilt instance whose hooks write a log."""

from collections.abc import Callable
from pathlib import Path

import pytest

from backups.models import BackupExecution
from tests.support.restores.faults import HOOKS
from tests.support.restores.instance_restores import spoil_tacacs, tacacs_state


@pytest.fixture
def hook_log(tacacs_root: Path, home: Path, declare: Callable[[str], None]) -> Path:
    """Return the file into which the hooks write that they ran."""
    log = home / "hooks.log"
    declare((home / "instances.toml").read_text() + HOOKS.format(log=log))
    return log


@pytest.fixture
def spoilt(tacacs_root: Path, demo_backup: BackupExecution) -> tuple[BackupExecution, dict[str, object]]:
    """Return a backup and what the instance holds since then, which a failed restore must leave."""
    spoil_tacacs(tacacs_root)
    return demo_backup, tacacs_state(tacacs_root)
