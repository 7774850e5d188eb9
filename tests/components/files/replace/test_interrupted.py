"""Restores of trees that stop, are killed, meet a full disk or a mount point."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backups.components.files.replacing.replace import replace_tree
from backups.errors import BackupError, Untouched
from tests.support.paths import PROJECT
from tests.support.restores.instance_restores import drafts, tree
from tests.support.restores.packed_trees import as_root, packed


@pytest.mark.parametrize("leftover", ["folder", "file", "link"])
def test_what_an_earlier_attempt_left_is_cleared_away(leftover: str, live: Path, tmp_path: Path) -> None:
    archive, before = packed(live, tmp_path / "staged"), tree(live)
    draft = live.with_name(".files.restoring")
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    if leftover == "folder":
        (draft / "sub").mkdir(parents=True)
    elif leftover == "file":
        draft.write_text("x")
    else:
        draft.symlink_to(precious)
    (live / "zero").write_text("changed")
    replace_tree(archive, live, lambda _: None)
    assert tree(live) == before
    assert drafts(live.parent) == []
    assert (precious / "file").exists()


def test_a_stop_while_it_unpacks_leaves_nothing_beside_the_tree(live: Path, tmp_path: Path) -> None:
    archive, before = packed(live, tmp_path / "staged"), tree(live)

    def stop(_delta: int) -> None:
        assert drafts(live.parent) == [".files.restoring"]
        raise BackupError("enough")

    with pytest.raises(BackupError, match=r"^enough$") as stopped:
        replace_tree(archive, live, stop)
    assert stopped.value.untouched
    assert (tree(live), drafts(live.parent)) == (before, [])


KILLED = """
import os, signal, sys
from pathlib import Path
from backups.components.files.replacing import replace
def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[3] != "content": setattr(replace, sys.argv[3], die)
replace.replace_tree(Path(sys.argv[1]), Path(sys.argv[2]), die if sys.argv[3] == "content" else lambda _: None)
"""


@pytest.mark.parametrize("moment", ["content", "first_difference", "exchange", "discard_drafts"])
def test_a_kill_leaves_the_old_or_the_new_tree_and_the_next_restore_removes_the_draft(
    moment: str, live: Path, tmp_path: Path
) -> None:
    archive, new = packed(live, tmp_path / "staged"), tree(live)
    (live / "zero").write_text("changed")
    old = tree(live)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(archive), str(live), moment],
        check=False, cwd=PROJECT,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL
    assert tree(live) == (new if moment == "discard_drafts" else old)
    assert drafts(live.parent) == [".files.restoring"]
    replace_tree(archive, live, lambda _: None)
    assert (tree(live), drafts(live.parent)) == (new, [])


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    points: list[Path] = []

    def mount(point: Path) -> None:
        point.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(point)], check=True)
        points.append(point)

    yield mount
    for point in points:
        subprocess.run(["umount", str(point)], check=True)


@as_root
def test_a_full_disk_is_named_and_nothing_is_left(live: Path, tmp_path: Path, mounted: Callable[[Path], None]) -> None:
    (live / "big").write_bytes(os.urandom(9 << 20))
    archive = packed(live, tmp_path / "staged")
    mounted(tmp_path / "small")
    small = tmp_path / "small" / "files"
    small.mkdir()
    (small / "old").write_text("old")
    with pytest.raises(Untouched, match=r"small/files cannot be written: No space left on device\.$"):
        replace_tree(archive, small, lambda _: None)
    assert [path.name for path in small.parent.iterdir()] == ["files"]
    assert (small / "old").read_text() == "old"
