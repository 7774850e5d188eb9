"""Packing a large tree in a second process, behind which the first one compresses."""

import os
from pathlib import Path
from typing import Any

import pytest

from backups.components.base import ExportContext
from backups.components.files import pack, pack_listed
from backups.components.files.component import FilesComponent
from backups.components.files.pack import PackedTree
from backups.errors import ComponentError
from backups.lib.filesystem import copy
from tests.support.sites.worker_site import eventually


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "uploads"
    root.mkdir()
    return root


def test_a_large_tree_is_packed_by_another_process_and_compressed_behind_it(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / os.fsdecode(b"\xff")).write_bytes(os.urandom(4 << 20))
    os.mkfifo(tree / "pipe")
    component, folder, other = FilesComponent("up", tree, member="up"), tmp_path / "there", tmp_path / "here"
    real, seen, told, first = pack_listed.pack_tree, tmp_path / "seen", tmp_path / "told", os.getpid()
    seen.touch()

    def packing(root: Path, target: Path, *arguments: Any) -> PackedTree:
        told.write_text(str(os.getpid()))
        done = real(root, target, *arguments)
        if os.getpid() != first:
            # the first one has looked
            eventually(lambda: seen.read_text() == str(target.stat().st_size))
        return done

    monkeypatch.setattr(pack_listed, "SHARED_BYTES", 1)
    monkeypatch.setattr(pack_listed, "pack_tree", packing)
    other.mkdir()
    here = component.export(ExportContext(other, 1.0, lambda _: None))
    assert told.read_text() == str(first)
    component.source_bytes()
    folder.mkdir()
    context = ExportContext(folder, 1.0, lambda _: None, lambda path, size: seen.write_text(str(size)))
    there = component.export(context)
    assert told.read_text() != str(first)
    (part,), (expected,) = there.parts, here.parts
    assert seen.read_text() == str(part.path.stat().st_size)
    assert part.path.read_bytes() == expected.path.read_bytes()
    assert part.listing is not None and expected.listing is not None
    assert part.listing.read_bytes() == expected.listing.read_bytes()
    assert (part.files, part.file_bytes, there.warnings) == (expected.files, expected.file_bytes, here.warnings)
    assert {path.stat().st_mode & 0o777 for path in (part.path, part.listing)} == {0o600}


def test_a_tree_that_another_process_cannot_pack_is_refused_with_the_reason(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "file").write_bytes(bytes(1000))
    component, tries = FilesComponent("up", tree, member="up"), tmp_path / "tries"
    component.source_bytes()
    real = copy.copy_unchanged

    def changing(reading: int, *arguments: Any) -> None:
        with tries.open("a") as file:
            file.write(f"{os.getpid()}\n")
        (tree / "file").write_bytes(bytes(2000))
        real(reading, *arguments)

    monkeypatch.setattr(pack_listed, "SHARED_BYTES", 1)
    monkeypatch.setattr(pack, "copy_unchanged", changing)
    (tmp_path / "folder").mkdir()
    with pytest.raises(ComponentError, match=r"file changed while it was read\.$"):
        component.export(ExportContext(tmp_path / "folder", 1.0, lambda _: None))
    there, here = tries.read_text().split()
    assert there != here == str(os.getpid())
