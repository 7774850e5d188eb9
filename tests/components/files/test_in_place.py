"""Trees that cannot be renamed are replaced in place: mount points, mounted files, folders above that are not ours."""

import errno
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from backups.archive.manifest.document import Entry
from backups.components.base import ApplyContext, ExportContext
from backups.components.files.component import FilesComponent
from backups.components.files.replacing import around as replace_around
from backups.components.files.replacing import replace
from backups.errors import ComponentError, Untouched
from backups.lib.filesystem import exchange
from backups.lib.filesystem.walk import DRAFT_INSIDE
from tests.support.file_systems import bound, remount_read_only, small_disk
from tests.support.processes.unprivileged_user import NOBODY, open_way, run_as_nobody
from tests.support.restores.instance_restores import sha256, tree

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount and give files away")


@pytest.fixture
def live(tmp_path: Path) -> Path:
    root = tmp_path / "service" / "data"
    (root / "volume" / "inner").mkdir(parents=True)
    (root / "conf").mkdir()
    (root / "conf" / "app.ini").write_text("mode = old\n")
    (root / "conf" / "other.ini").write_text("other\n")
    (root / "first").write_text("first")
    return root


class Trial:
    """A component whose tree is backed up, spoilt and restored."""

    def __init__(self, live: Path, folder: Path) -> None:
        self.live, self.folder = live, folder
        self.component = FilesComponent("data", live, member="data")

    def back_up(self) -> None:
        self.folder.mkdir()
        self.component.export(ExportContext(self.folder, 1.0, lambda _: None))
        path = self.folder / "data.tar"
        self.entries = [Entry(path.name, path.stat().st_size, sha256(path), "data", "data")]
        self.before = tree(self.live)

    def restore(self) -> list[str]:
        context = ApplyContext(self.folder, 1.0, lambda _: None)
        assert [str(one) for one in self.component.obstacles(self.entries)] == []
        self.component.apply(self.entries, context)
        return self.component.verify(self.entries, context)

    def drafts(self) -> list[str]:
        return [str(path) for path in self.live.parent.rglob("*restoring*")]


@pytest.fixture
def trial(live: Path, tmp_path: Path) -> Trial:
    return Trial(live, tmp_path / "staged")


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


@as_root
def test_a_user_who_owns_only_the_folder_itself_gets_its_content_back(live: Path, tmp_path: Path) -> None:
    for path in (live, *live.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    live.parent.chmod(0o755)
    open_way(tmp_path)
    (tmp_path / "staged").mkdir()
    os.chown(tmp_path / "staged", NOBODY, NOBODY)
    program = """
import os, sys
from pathlib import Path
from backups.archive.manifest.document import Entry
from backups.components.base import ApplyContext, ExportContext
from backups.components.files.component import FilesComponent
os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})
live, staged = map(Path, sys.argv[1:])
component = FilesComponent("data", live, member="data")
component.export(ExportContext(staged, 1.0, lambda _: None))
entries = [Entry("data.tar", 1, "", "data", "data")]
print([str(one) for one in component.obstacles(entries)])
(live / "first").write_text("changed")
(live / "conf" / "stray").mkdir()
component.apply(entries, ApplyContext(staged, 1.0, lambda _: None))
print((live / "first").read_text(), sorted(path.name for path in (live / "conf").iterdir()))
print(sorted(path.name for path in live.iterdir()))
"""
    assert run_as_nobody(program, str(live), str(tmp_path / "staged")).splitlines() == [
        "[]",
        "first ['app.ini', 'other.ini']",
        "['conf', 'first', 'volume']",
    ]


@as_root
def test_a_folder_of_another_user_in_the_tree_is_foreseen(live: Path, tmp_path: Path) -> None:
    os.chown(live, NOBODY, NOBODY)
    os.chown(live.parent, NOBODY, NOBODY)
    open_way(tmp_path)
    program = """
import os, sys
from pathlib import Path
from backups.components.files.component import FilesComponent
os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})
component = FilesComponent("data", Path(sys.argv[1]), member="data")
print(*component.obstacles(), sep="\\n")
"""
    printed = run_as_nobody(program, str(live))
    assert printed.splitlines()[0].startswith(f"{live} cannot be replaced: this user may not write to {live}/conf.")


def test_a_mounted_file_that_is_a_component_is_written_into(tmp_path: Path) -> None:
    source, live = tmp_path / "disk" / "source.ini", tmp_path / "live.ini"
    live.touch()
    (tmp_path / "staged").mkdir()
    with small_disk(source.parent, megabytes=1), ExitStack() as mounted:
        source.write_text("old, and a long text")
        mounted.enter_context(bound(source, live))
        component = FilesComponent("file", live, member="file.ini")
        component.export(ExportContext(tmp_path / "staged", 1.0, lambda _: None))
        entries = [Entry("file.ini", 20, sha256(live), "data", "file")]
        live.write_text("new")
        assert list(component.obstacles(entries)) == []
        component.apply(entries, ApplyContext(tmp_path / "staged", 1.0, lambda _: None))
        (note,) = component.verify(entries, ApplyContext(tmp_path / "staged", 1.0, lambda _: None))
        assert note == f"{live} was written in place: it cannot be replaced by another file"
        assert source.read_text() == "old, and a long text"
        remount_read_only(source.parent)
        (obstacle,) = component.obstacles(entries)
        assert str(obstacle).startswith(f"{live} cannot be written: {live} is on a file system that is mounted read-")


def test_a_file_system_that_cannot_exchange_names_gets_them_in_steps(
    trial: Trial, live: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "RENAME_EXCHANGE", 1 << 30)
    trial.back_up()
    (live / "first").write_text("changed")
    assert trial.restore() == []
    assert (tree(live), trial.drafts()) == (trial.before, [])


def test_a_move_in_steps_that_fails_leaves_the_tree(trial: Trial, live: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "RENAME_EXCHANGE", 1 << 30)
    trial.back_up()
    (live / "first").write_text("changed")
    changed, real = tree(live), os.rename

    def rename(source: str, target: str, **folders: int) -> None:
        if target == live.name and source.startswith(".data"):
            monkeypatch.setattr(os, "rename", real)
            raise OSError(5, "Input/output error")
        real(source, target, **folders)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(ComponentError, match="Input/output error"):
        trial.restore()
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


def test_no_link_leads_the_content_of_a_mounted_file_out_of_the_tree(
    trial: Trial, live: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "app.ini").write_text("mode = mounted\n")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "app.ini").write_text("of somebody else")
    with bound(tmp_path / "app.ini", live / "conf" / "app.ini"):
        trial.back_up()
        real = replace.replace_in_place

        def swapped(*arguments: Any) -> os.stat_result:
            (live / "conf").rename(live / "aside")
            (live / "conf").symlink_to(tmp_path / "etc")
            return real(*arguments)

        monkeypatch.setattr(replace, "replace_in_place", swapped)
        with pytest.raises(ComponentError):
            trial.restore()
        assert (tmp_path / "etc" / "app.ini").read_text() == "of somebody else"
        (live / "conf").unlink()
        (live / "aside").rename(live / "conf")


class Refusing:
    """Calls of `os` that fail for one file."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
        self.monkeypatch, self.inode = monkeypatch, path.stat().st_ino

    def fail(self, name: str, code: int, *, times: int = 1_000) -> None:
        real, left = getattr(os, name), [times]

        def call(descriptor: int, *arguments: Any) -> Any:
            if os.fstat(descriptor).st_ino == self.inode and left[0]:
                left[0] -= 1
                raise OSError(code, os.strerror(code))
            return real(descriptor, *arguments)

        self.monkeypatch.setattr(os, name, call)


@pytest.mark.parametrize(("call", "code"), [("fchown", errno.EPERM), ("fsync", errno.EIO), ("ftruncate", errno.ENOSPC)])
def test_a_mounted_file_whose_writing_fails_is_as_before(
    call: str, code: int, trial: Trial, live: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "app.ini"
    source.write_text("mode = mounted\n")
    with bound(source, live / "conf" / "app.ini"):
        trial.back_up()
        source.write_text("mode = new, and longer than before\n")
        os.chown(source, NOBODY, NOBODY)
        (live / "first").write_text("changed")
        changed = tree(live)
        Refusing(monkeypatch, source).fail(call, code, times=1)
        with pytest.raises(Untouched, match=rf"cannot be replaced in place: {os.strerror(code)}\.$"):
            trial.restore()
        assert (tree(live), trial.drafts()) == (changed, [])


def test_a_mounted_file_that_cannot_be_written_back_is_not_called_unchanged(
    trial: Trial, live: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "app.ini"
    source.write_text("mode = mounted\n")
    with bound(source, live / "conf" / "app.ini"):
        trial.back_up()
        source.write_text("mode = new\n")
        Refusing(monkeypatch, source).fail("ftruncate", errno.EIO)
        with pytest.raises(ComponentError, match=r"conf/app\.ini is half written: Input/output error\.$") as failed:
            trial.restore()
        assert not failed.value.untouched


def test_a_file_system_that_refuses_owners_takes_a_file_that_has_its_owner(
    trial: Trial, live: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "app.ini"
    source.write_text("mode = mounted\n")
    with bound(source, live / "conf" / "app.ini"):
        trial.back_up()
        source.write_text("mode = new\n")
        Refusing(monkeypatch, source).fail("fchown", errno.EPERM)
        assert trial.restore() == []
        assert tree(live) == trial.before
