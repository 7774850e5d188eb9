"""Trees with mount points in them are replaced in place, on each file system."""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from backups.components.base import ApplyContext
from backups.components.files.replacing import around as replace_around
from backups.errors import Untouched
from backups.lib.filesystem.walk import DRAFT_INSIDE
from tests.components.files.in_place.trial import Trial
from tests.support.file_systems import bound, remount_read_only, small_disk
from tests.support.restores.instance_restores import tree


def spoil(live: Path) -> None:
    (live / "first").write_text("changed")
    (live / "conf" / "app.ini").write_text("mode = new, and longer than before\n")
    (live / "volume" / "kept").unlink()
    (live / "volume" / "stray").write_text("stray")
    (live / "stray").mkdir()
    (live / "stray" / "file").touch()


def test_a_tree_with_mounts_in_it_comes_back_on_each_file_system(trial: Trial, live: Path, tmp_path: Path) -> None:
    (tmp_path / "app.ini").write_text("mode = mounted\n")
    with ExitStack() as mounted:
        mounted.enter_context(small_disk(live / "volume", megabytes=4))
        (live / "volume" / "kept").write_text("kept")
        (live / "volume" / "sub").mkdir()
        mounted.enter_context(small_disk(live / "volume" / "sub", megabytes=4))
        (live / "volume" / "sub" / "deep").write_text("deep")
        mounted.enter_context(bound(tmp_path / "app.ini", live / "conf" / "app.ini"))
        trial.back_up()
        spoil(live)
        (live / "volume" / "sub" / "deep").write_text("changed")
        assert trial.restore() == []
        assert (tree(live), trial.drafts()) == (trial.before, [])
        # the same file, on the other side of the mount
        assert (tmp_path / "app.ini").read_text() == "mode = mounted\n"
        assert live.stat().st_dev != (live / "volume").stat().st_dev
    assert list((live / "volume").iterdir()) == [live / "volume" / "inner"]


def test_a_tree_that_is_a_mount_point_is_restored_in_it(trial: Trial, live: Path, tmp_path: Path) -> None:
    with small_disk(live, megabytes=4):
        (live / "kept").write_text("kept")
        live.chmod(0o751)
        os.utime(live, (981_173_106, 981_173_106))
        trial.back_up()
        (live / "kept").write_text("changed")
        (live / "stray").mkdir()
        live.chmod(0o700)
        assert trial.restore() == []
        assert (tree(live), trial.drafts()) == (trial.before, [])
        assert (live.stat().st_mode & 0o777, live.stat().st_mtime) == (0o751, 981_173_106)
        trial.component.remove()
        assert list(live.iterdir()) == []
        assert not trial.component.exists()
    assert (live / "first").read_text() == "first"


def test_a_failure_on_one_file_system_reverts_all_of_them(
    trial: Trial, live: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "app.ini").write_text("mode = mounted\n")
    with (
        small_disk(live / "volume", megabytes=4),
        bound(tmp_path / "app.ini", live / "conf" / "app.ini"),
    ):
        (live / "volume" / "kept").write_text("kept")
        trial.back_up()
        spoil(live)
        spoilt = tree(live)

        def fail(*_: object) -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(replace_around.MountedFile, "replace", fail)
        with pytest.raises(Untouched, match=r"cannot be replaced in place: Input/output error\.$"):
            trial.restore()
        assert (tree(live), trial.drafts()) == (spoilt, [])


def test_what_cannot_be_put_back_is_foreseen_and_refused_before_anything_changes(
    trial: Trial, live: Path, tmp_path: Path
) -> None:
    trial.back_up()
    (live / "first").write_text("changed")
    changed = tree(live)
    with small_disk(live / "volume", megabytes=4):
        remount_read_only(live / "volume")
        (read_only,) = trial.component.obstacles(trial.entries)
        assert f"{live}/volume is on a file system that is mounted read-only" in str(read_only)
        # a backup made now would warn of the same
        assert [str(one) for one in trial.component.obstacles()] == [str(read_only)]
        with pytest.raises(Untouched, match="mounted read-only"):
            trial.component.apply(trial.entries, ApplyContext(trial.folder, 1.0, lambda _: None))
    (tmp_path / "file").write_text("mounted")
    (live / "new").touch()
    with bound(tmp_path / "file", live / "new"), pytest.raises(Untouched, match="new is a mount point, and is not in"):
        trial.restore()
    (live / "new").unlink()
    (live / "first").unlink()
    (live / "first").mkdir()
    with (
        small_disk(live / "first", megabytes=1),
        pytest.raises(Untouched, match="first is a mount point or leads"),
    ):
        trial.restore()
    (live / "first").rmdir()
    (live / "first").write_text("changed")
    assert (tree(live), trial.drafts()) == (changed, [])


def test_the_space_that_is_needed_is_counted_on_each_file_system(trial: Trial, live: Path) -> None:
    with small_disk(live / "volume", megabytes=4):
        (live / "volume" / "large").write_bytes(os.urandom(3 << 20))
        (live / "second").write_bytes(os.urandom(1 << 20))
        trial.back_up()
        needed = trial.component.space_needed(trial.entries, trial.folder)
    assert set(needed) == {live, live / "volume"}
    assert 1 << 20 <= needed[live].meanwhile < 2 << 20
    assert 3 << 20 <= needed[live / "volume"].meanwhile < 4 << 20
    assert needed[live / "volume"].growth < 1 << 20


def test_two_names_of_one_file_on_two_file_systems_now_are_refused(trial: Trial, live: Path) -> None:
    (live / "volume" / "second").hardlink_to(live / "first")
    trial.back_up()
    before = tree(live)
    with small_disk(live / "volume", megabytes=1):
        with pytest.raises(Untouched, match="are one file in the backup, and lie on two file systems now"):
            trial.component.apply(trial.entries, ApplyContext(trial.folder, 1.0, lambda _: None))
        assert list((live / "volume").iterdir()) == []
    assert tree(live) == before


def test_a_draft_that_a_killed_restore_left_in_the_tree_is_neither_backed_up_nor_kept(trial: Trial, live: Path) -> None:
    with small_disk(live, megabytes=1):
        (live / "kept").touch()
        (live / DRAFT_INSIDE / "old").mkdir(parents=True)
        trial.back_up()
        assert DRAFT_INSIDE.encode() not in (trial.folder / "data.tar").read_bytes()
        assert trial.restore() == []
        assert [path.name for path in live.iterdir()] == ["kept"]
        (live / DRAFT_INSIDE).mkdir()
        trial.component.remove_drafts()
        assert [path.name for path in live.iterdir()] == ["kept"]
