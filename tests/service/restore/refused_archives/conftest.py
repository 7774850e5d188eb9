"""An archive to change, and an instance that stays untouched."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from backups.models import BackupExecution
from tests.support.archives.rewritten import Archive
from tests.support.restores.instance_restores import Tree, change, tree
from tests.support.site_fixtures import Listing


@pytest.fixture
def backup(demo_backup: BackupExecution) -> BackupExecution:
    return demo_backup


@pytest.fixture
def archive(backup: BackupExecution, home: Path, tmp_path: Path) -> Archive:
    return Archive(home / "backups" / "nas" / backup.backup_path, tmp_path / "archive.tar.gz")


@pytest.fixture
def untouched(tacacs_root: Path, backup: BackupExecution, workspaces: Listing) -> Iterator[None]:
    """The live instance is after the test what it was before it, byte by byte."""
    change(tacacs_root / "data" / "devices.db", "DELETE FROM devices WHERE id > 5")
    before = without_logs(tree(tacacs_root))
    yield
    assert without_logs(tree(tacacs_root)) == before
    assert workspaces() == []
    assert not BackupExecution.objects.filter(kind="safety").exists()


def without_logs(found: Tree) -> Tree:
    """A database in WAL mode that is only read gets an empty log beside it."""
    return {name: about for name, about in found.items() if not name.endswith(("-wal", "-shm"))}
