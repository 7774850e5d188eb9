"""Trees on overlayfs, as in a container: the folders of a lower layer cannot be renamed."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from backups.archive.manifest.document import Entry
from backups.components.base import ApplyContext
from backups.components.files.component import FilesComponent
from backups.components.files.replacing import swap
from backups.errors import Untouched
from tests.support.file_systems import layered, small_disk
from tests.support.restores.instance_restores import drafts, tree
from tests.support.restores.packed_trees import component_of, packed

ENTRIES = [Entry("files.tar", 1, "", "data", "files")]


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Path]:
    """Return a tree of a lower layer, some of which was changed in the upper one."""
    image, point = tmp_path / "image", tmp_path / "point"
    for name in ("keep/deep/er", "plain", "gone/sub", "becomes"):
        (image / "files" / name).mkdir(parents=True)
        (image / "files" / name / "file").write_text(name)
    (image / "files" / "keep" / "deep").chmod(0o2750)
    (image / "files" / "link").symlink_to("keep/deep")
    os.utime(image / "files" / "keep" / "deep", (981_173_106, 981_173_106))
    point.mkdir()
    with small_disk(tmp_path / "layers", megabytes=4) as layers, layered(image, point, layers=layers):
        yield point / "files"


def change(live: Path) -> None:
    """Change, remove and add entries, and make a file of a folder and a folder of a file."""
    (live / "keep" / "deep" / "er" / "file").write_text("changed")
    (live / "keep" / "new").mkdir()
    (live / "keep" / "new" / "file").touch()
    (live / "keep" / "deep").chmod(0o700)
    (live / "becomes" / "file").unlink()
    (live / "becomes").rmdir()
    (live / "becomes").write_text("a file now")
    (live / "link").unlink()
    (live / "link").mkdir()


def apply(component: FilesComponent, folder: Path) -> None:
    context = ApplyContext(folder, 1.0, lambda _: None)
    component.apply(ENTRIES, context)
    component.verify(ENTRIES, context)


def test_a_tree_of_a_lower_layer_comes_back(live: Path, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="cross-device"):
        live.rename(live.with_name("moved"))
    archive, before, component = packed(live, tmp_path / "staged"), tree(live), component_of(live)
    change(live)
    assert list(component.obstacles(ENTRIES)) == []
    apply(component, archive.parent)
    assert tree(live) == before
    assert (live / "keep" / "deep").stat().st_mtime == 981_173_106
    assert component.verify(ENTRIES, ApplyContext(archive.parent, 1.0, lambda _: None)) == []
    assert drafts(live.parent) == []


def test_folders_of_a_lower_layer_that_the_backup_lacks_or_has_as_files_go(live: Path, tmp_path: Path) -> None:
    component = component_of(live)
    (tmp_path / "other" / "files").mkdir(parents=True)
    (tmp_path / "other" / "files" / "becomes").write_text("a file")
    (tmp_path / "other" / "files" / "keep").symlink_to("elsewhere")
    archive = packed(tmp_path / "other" / "files", tmp_path / "staged")
    apply(component, archive.parent)
    assert tree(live) == tree(tmp_path / "other" / "files")
    assert drafts(live.parent) == []


def test_a_failure_in_a_lower_layer_reverts_all(live: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other" / "files").mkdir(parents=True)
    (tmp_path / "other" / "files" / "becomes").write_text("a file")
    (tmp_path / "other" / "files" / "plain").mkdir()
    archive, before = packed(tmp_path / "other" / "files", tmp_path / "staged"), tree(live)
    times = {path: path.lstat().st_mtime_ns for path in live.rglob("*")}
    real, done = os.rename, 0

    def rename(source: str, target: str, **folders: int) -> None:
        nonlocal done
        if source == "link":
            raise OSError(5, "Input/output error")
        done += 1
        real(source, target, **folders)

    monkeypatch.setattr(swap.os, "rename", rename)
    with pytest.raises(Untouched, match=r"cannot be replaced in place: Input/output error\.$"):
        apply(component_of(live), archive.parent)
    assert done > 5
    assert (tree(live), drafts(live.parent)) == (before, [])
    assert {path: path.lstat().st_mtime_ns for path in live.rglob("*")} == times


def test_the_space_for_the_files_of_a_lower_layer_is_counted(live: Path, tmp_path: Path) -> None:
    (live / "plain" / "large").write_bytes(os.urandom(1 << 20))
    archive, component = packed(live, tmp_path / "staged"), component_of(live)
    size = archive.stat().st_size
    ((_, needed),) = component.space_needed([Entry("files.tar", size, "", "data", "files")], archive.parent).items()
    # a file is copied up before it can be moved away
    assert needed.meanwhile >= size + (1 << 20)
