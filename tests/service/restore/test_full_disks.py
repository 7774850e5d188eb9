"""Restores onto disks that are full, or fill up while it runs: small file systems, really mounted."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backups.errors import BackupError
from backups.models import BackupExecution
from tests.support.databases.sqlite_files import make_database, rows_of
from tests.support.file_systems import remount_read_only, small_disk
from tests.support.restores.instance_restores import change, drafts, restore, the_restore, tree
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db
Listing = Callable[[], list[str]]
DISK_MB = 12
DEPOT = """\
[depot]
kind = "generic"
root = "{root}"
[depot.components.list]
kind = "files"
path = "list.txt"
[depot.components.{last}]
kind = "{kind}"
path = "{path}"
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", megabytes=DISK_MB) as disk:
        yield disk


def fill(disk: Path, free_kib: int) -> None:
    """Leave so much room, in a file that is easily found again."""
    free = shutil.disk_usage(disk).free - free_kib * 1024
    (disk / "ballast").write_bytes(bytes(max(0, free)))


@pytest.fixture
def depot(disk: Path, declare: Callable[[str], None], back_up: BackUp) -> Callable[[str], BackupExecution]:
    """Return a function that makes an instance on that disk, backs it up and spoils it."""

    def make(kind: str) -> BackupExecution:
        (disk / "list.txt").write_text("one\n")
        content = os.urandom(3 << 20)
        if kind == "tree":
            (disk / "big").mkdir()
            (disk / "big" / "file").write_bytes(content)
        elif kind == "file":
            (disk / "big").write_bytes(content)
        else:
            make_database(disk / "big", rows=30, blob_bytes=100_000, journal=kind)
        kinds = {"tree": "files", "file": "files"}
        declare(DEPOT.format(root=disk, last="big", kind=kinds.get(kind, "sqlite"), path="big"))
        backup = back_up("depot")
        (disk / "list.txt").write_text("two\n")
        if kind == "tree":
            (disk / "big" / "file").write_bytes(content[: 1 << 20])
        elif kind == "file":
            (disk / "big").write_bytes(content[: 1 << 20])
        else:
            change(disk / "big", "DELETE FROM orders WHERE id > 10")
            change(disk / "big", "VACUUM")
        return backup

    return make


def without_logs(disk: Path) -> dict[str, tuple[object, ...]]:
    return {name: about for name, about in tree(disk).items() if not name.endswith(("-wal", "-shm", "ballast"))}


@pytest.mark.parametrize("kind", ["DELETE", "WAL", "file", "tree"])
def test_a_live_disk_without_room_is_told_before_anything_is_touched(
    kind: str, disk: Path, depot: Callable[[str], BackupExecution], workspaces: Listing
) -> None:
    backup = depot(kind)
    fill(disk, 1500)
    before = without_logs(disk)
    with pytest.raises(BackupError, match=rf"^{disk} has [\d,]+ bytes free, the restore of big needs about [\d,]+\.$"):
        restore(backup)
    assert (without_logs(disk), workspaces()) == (before, [])
    assert not BackupExecution.objects.filter(kind="safety").exists()


@pytest.mark.parametrize("kind", ["DELETE", "WAL", "file", "tree"])
def test_a_live_disk_that_fills_up_meanwhile_changes_nothing_in_the_end(
    kind: str, disk: Path, depot: Callable[[str], BackupExecution], workspaces: Listing, home: Path,
    declare: Callable[[str], None],
) -> None:  # fmt: skip
    backup = depot(kind)
    text = (home / "instances.toml").read_text()
    filling = f"dd if=/dev/zero of={disk}/ballast bs=1k 2>/dev/null; truncate -s -400K {disk}/ballast"
    declare(f'{text}[depot.hooks]\nbefore_restore = ["sh", "-c", "{filling}"]\n')
    before = without_logs(disk)
    with pytest.raises(BackupError, match=r"(No space left to restore .*big|No space left on device)\.$"):
        restore(backup)
    assert (without_logs(disk), drafts(disk), workspaces()) == (before, [], [])
    row = the_restore()
    assert row.status == "failed"
    assert row.error_message.endswith(". What it had changed was rolled back.")
    assert {name: note["state"] for name, note in row.outcome.items()} == {"list": "rolled back", "big": "unchanged"}
    if kind in ("DELETE", "WAL"):
        assert rows_of(disk / "big", "PRAGMA integrity_check") == [("ok",)]
    # with room again, and without the hook, it goes through
    (disk / "ballast").unlink()
    declare(text)
    assert restore(backup).status == "completed"
    assert (disk / "list.txt").read_text() == "one\n"


@pytest.mark.parametrize("kind", ["DELETE", "file", "tree"])
def test_a_live_disk_that_is_read_only_changes_nothing(
    kind: str, disk: Path, depot: Callable[[str], BackupExecution], workspaces: Listing
) -> None:
    backup = depot(kind)
    before = without_logs(disk)
    remount_read_only(disk)
    reason = f"{disk}/list.txt is on a file system that is mounted read-only"
    with pytest.raises(BackupError, match=rf"^{disk}/list\.txt cannot be written: {reason}\.$"):
        restore(backup)
    assert (without_logs(disk), workspaces()) == (before, [])
    assert "nothing was changed" in the_restore().error_message.lower()
