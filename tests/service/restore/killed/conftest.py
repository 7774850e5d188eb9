"""A spoilt instance, and processes that restore it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backups.models import BackupExecution
from tests.support.restores.instance_restores import spoil_tacacs, tacacs_state
from tests.support.restores.killed_restores import Victims
from tests.support.restores.scenes import Scene


@pytest.fixture
def scene(tacacs_root: Path, demo_backup: BackupExecution, home: Path, declare: Callable[[str], None]) -> Scene:
    log = home / "hooks.log"
    declare(
        (home / "instances.toml").read_text()
        + f'[tacacs-hq.hooks]\nbefore_restore = ["sh", "-c", "echo stopped >> {log}"]\n'
        + f'after_restore = ["sh", "-c", "echo started >> {log}"]\n'
    )
    new = tacacs_state(tacacs_root)
    spoil_tacacs(tacacs_root)
    return Scene(tacacs_root, demo_backup, new, tacacs_state(tacacs_root), log)


@pytest.fixture
def victims(home: Path, scene: Scene) -> Iterator[Victims]:
    with Victims(home) as victims:
        yield victims
