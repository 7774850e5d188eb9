"""Mounted files are written into, and are as before when that fails."""

import errno
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from backups.archive.manifest.document import Entry
from backups.components.base import ApplyContext, ExportContext
from backups.components.files.component import FilesComponent
from backups.components.files.replacing import replace
from backups.errors import ComponentError, Untouched
from tests.components.files.in_place.trial import Trial
from tests.support.file_systems import bound, remount_read_only, small_disk
from tests.support.processes.unprivileged_user import NOBODY
from tests.support.restores.instance_restores import sha256, tree


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
