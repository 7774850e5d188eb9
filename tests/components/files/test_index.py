"""The index of a nested tar gives what the tar holds, without its headers being parsed again."""

import marshal
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from backups.archive.manifest.entry import Entry
from backups.components.files.format.header import FILE, FOLDER, ROOT, Member
from backups.components.files.index import IndexWriter, read_tar
from backups.components.files.pack import pack_tree
from backups.errors import ComponentError
from backups.service.archives.verify import check_tree
from tests.components.files.kept.packed import with_attribute

Found = list[tuple[dict[str, Any], list[tuple[int, bytes]]]]


@pytest.fixture
def tar(disk_path: Path) -> Path:
    """The nested tar of a tree with holes, second names, attributes, privileges and names that are no UTF-8."""
    root = disk_path / "tree"
    (root / "folder" / "deep").mkdir(parents=True)
    (root / "folder" / "deep" / "file").write_bytes(b"content" * 1000)
    (root / "folder" / os.fsdecode(b"\xff")).touch()
    os.link(root / "folder" / "deep" / "file", root / "folder" / "other")
    with (root / "holes").open("wb") as file:
        for offset in (1 << 20, 3 << 20):
            file.seek(offset)
            file.write(b"data")
        file.truncate(5 << 20)
    (root / "link").symlink_to("folder")
    (root / "program").write_bytes(b"#!")
    (root / "program").chmod(0o4755)
    with_attribute(root / "program", "user.note", b"kept")
    target = disk_path / "tree.tar"
    pack_tree(root, target, lambda _: None, lambda _: None)
    return target


def read(tar: Path, index: Path | None, *, trusted: bool = True, contents: bool = True) -> tuple[Found, int]:
    with tar.open("rb") as file:
        reader = read_tar(file, tar.name, index, trusted=trusted)

        def found() -> Iterator[tuple[dict[str, Any], list[tuple[int, bytes]]]]:
            for number, member in enumerate(reader.members()):
                # what is not read is skipped, whatever comes before and after it
                yield asdict(member), list(reader.content()) if contents or number % 2 else []

        return list(found()), reader.limited


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("contents", [True, False])
def test_an_index_yields_the_entries_and_contents_of_its_tar(
    tar: Path, tmp_path: Path, *, trusted: bool, contents: bool
) -> None:
    index = tmp_path / "index"
    check_tree(tar, Entry("tree.tar", 0, "", "data", "tree"), index)
    parsed, limited = read(tar, None, trusted=trusted, contents=contents)
    assert len(parsed) == 9
    assert limited == (0 if trusted else 1)
    assert read(tar, index, trusted=trusted, contents=contents) == (parsed, limited)
    assert index.stat().st_mode & 0o777 == 0o600


def test_an_index_that_is_cut_off_is_refused_wherever_that_is(tar: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    check_tree(tar, Entry("tree.tar", 0, "", "data", "tree"), index)
    whole = index.read_bytes()
    # the last one at the end of a block, where nothing else would tell that blocks are missing
    for size in (0, 2, 4, 40, len(whole) - 5, len(whole) - 4):
        index.write_bytes(whole[:size])
        with pytest.raises(ComponentError, match="cut off"):
            read(tar, index)


def test_a_tar_that_is_refused_gets_no_complete_index(tar: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    with pytest.raises(ComponentError, match="the manifest counts 3"):
        check_tree(tar, Entry("tree.tar", 0, "", "data", "tree", files=3), index)
    assert index.read_bytes() == b""


def test_entries_are_written_in_blocks_however_large_one_is(tmp_path: Path) -> None:
    index = tmp_path / "index"
    with closing(IndexWriter(index)) as writer:
        writer.add(Member(ROOT, FOLDER, 0o700, 0, 0, 0), [], 512)
        for number in range(4):
            attributes = {"user.large": bytes(1 << 20)}
            writer.add(Member(f"{number}", FILE, 0o600, 0, 0, 0, attributes=attributes), [(0, 1)] * 100_000, 1024)
        writer.finish()
    with index.open("rb") as file:
        sizes = []
        while (length := file.read(4)) != bytes(4):
            sizes.append(len(marshal.loads(file.read(int.from_bytes(length, "big")))))  # noqa: S302
    assert sizes == [2, 1, 1, 1]
