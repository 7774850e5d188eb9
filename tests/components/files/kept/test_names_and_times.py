"""Names, times and depth of a tree come back from a backup, and through GNU tar."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from backups.archive.manifest.document import Entry
from backups.components.base import ApplyContext, ExportContext
from backups.components.files.compare import first_difference
from backups.components.files.component import FilesComponent
from backups.components.files.replacing.replace import replace_tree
from backups.lib.filesystem.folders import remove_tree
from tests.components.files.kept.packed import packed, unpacked_by_tar
from tests.support.file_systems import small_disk
from tests.support.restores.instance_restores import sha256

DEEP = 1500


@pytest.mark.parametrize("length", [132, 133, 243, 244, 250, 255])
def test_a_component_whose_name_is_as_long_as_a_name_can_be_is_restored(
    length: int, tmp_path: Path, staged: Path
) -> None:
    file, tree = tmp_path / ("f" * length), tmp_path / ("日" * (length // 3) + "t" * (length % 3))
    file.write_text("old")
    tree.mkdir()
    (tree / ("n" * 255)).write_text("old")
    components = [FilesComponent("file", file, member="file"), FilesComponent("data", tree, member="data")]
    parts = [one.export(ExportContext(staged, 1.0, lambda _: None)).parts[0] for one in components]
    file.write_text("new")
    (tree / ("n" * 255)).write_text("new")
    for component, part in zip(components, parts, strict=True):
        entry = Entry(part.name, part.path.stat().st_size, sha256(part.path), "data", component.name)
        component.apply([entry], ApplyContext(staged, 1.0, lambda _: None))
        assert component.verify([entry], ApplyContext(staged, 1.0, lambda _: None)) == []
    assert (file.read_text(), (tree / ("n" * 255)).read_text()) == ("old", "old")
    assert {path.name for path in tmp_path.iterdir()} == {file.name, tree.name, "staged"}


TIMES = [2**40, 2**40 + 1, 2**55, -(2**33), -1, 0]


def test_times_that_no_ordinary_header_holds_come_back_to_the_nanosecond(live: Path, staged: Path) -> None:
    with small_disk(live, megabytes=4):
        for seconds in TIMES:
            (live / f"file {seconds}").touch()
            os.utime(live / f"file {seconds}", ns=(0, seconds * 10**9 + 123_456_789))
        (live / "folder").mkdir()
        (live / "folder" / "link").symlink_to("nowhere")
        os.utime(live / "folder" / "link", ns=(0, 987_654_321), follow_symlinks=False)
        os.utime(live / "folder", ns=(0, -1))
        before = {path: path.lstat().st_mtime_ns for path in live.rglob("*")}
        archive = packed(live, staged)
        for path in before:
            os.utime(path, (1, 1), follow_symlinks=False)
        assert replace_tree(archive, live, lambda _: None).notes == []
        assert {path: path.lstat().st_mtime_ns for path in live.rglob("*")} == before
        plain = unpacked_by_tar(archive, live.parent / "plain")
        for seconds in TIMES[-2:]:
            assert (plain / f"file {seconds}").stat().st_mtime_ns == seconds * 10**9 + 123_456_789


def test_a_time_that_the_target_cannot_keep_is_a_warning_by_name(live: Path, staged: Path, tmp_path: Path) -> None:
    with small_disk(live, megabytes=1):
        (live / "file").touch()
        os.utime(live / "file", (2**55, 2**55))
        archive = packed(live, staged)
    target = tmp_path / "target"
    target.mkdir()
    notes = replace_tree(archive, target, lambda _: None).notes
    kept = (target / "file").stat().st_mtime == 2**55
    warning = f"the modification time of {target}/file could not be restored: the file system has no such time"
    assert notes == ([] if kept else [warning])


@pytest.fixture
def deep(live: Path, tmp_path: Path) -> Iterator[Path]:
    # in memory, where thousands of changes take no time
    with small_disk(tmp_path / "service", megabytes=64):
        live.mkdir()
        make_deep(live)
        yield live
        remove_tree(live)


def make_deep(live: Path) -> None:
    here = os.open(live, os.O_RDONLY)
    for _ in range(DEEP):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


def test_a_tree_deeper_than_python_recurses_is_backed_up_restored_compared_and_removed(
    deep: Path, staged: Path
) -> None:
    assert sys.getrecursionlimit() < DEEP
    archive = packed(deep, staged)
    (deep / "stray").touch()
    done = replace_tree(archive, deep, lambda _: None)
    assert done.notes == []
    assert first_difference(archive, deep, lambda _: None) is None
    assert [path.name for path in deep.parent.iterdir()] == ["data"]
    component = FilesComponent("data", deep, member="data")
    component.remove()
    assert not deep.exists()
    deep.mkdir()
