"""Small files of a tree are requested from the disk in batches before they are packed."""

import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from backups.components.files import pack as pack_module
from backups.components.files.pack import BATCH, SMALL_BYTES, pack_tree
from backups.components.files.read import NestedTar
from backups.errors import ComponentError
from backups.lib.filesystem.walk import walk
from tests.support.processes.file_limits import files_to_open, open_files


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "uploads"
    root.mkdir()
    return root


def pack(tree: Path, checkpoint: Callable[[int], None] = lambda _: None) -> Path:
    target = tree.parent / "up.tar"
    pack_tree(tree, target, checkpoint, lambda _: None)
    return target


def test_small_files_are_requested_many_at_a_time_before_the_first_of_them_is_read(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5 * BATCH):
        (tree / f"{number:04}").write_bytes(b"%d" % number)
    (tree / "large").write_bytes(bytes(SMALL_BYTES + 1))
    calls = list[tuple[str, str]]()
    request, read = os.posix_fadvise, os.pread

    def name_of(descriptor: int) -> str:
        return Path(f"/proc/self/fd/{descriptor}").readlink().name

    def requested(descriptor: int, offset: int, length: int, advice: int) -> None:
        assert (offset, advice) == (0, os.POSIX_FADV_WILLNEED)
        calls.append(("request", name_of(descriptor)))
        request(descriptor, offset, length, advice)

    def was_read(descriptor: int, length: int, offset: int) -> bytes:
        calls.append(("read", name_of(descriptor)))
        return read(descriptor, length, offset)

    monkeypatch.setattr(os, "posix_fadvise", requested)
    monkeypatch.setattr(os, "pread", was_read)
    pack(tree)
    small = [f"{number:04}" for number in range(5 * BATCH)]
    assert [name for what, name in calls if what == "request"] == small
    assert [name for what, name in calls if what == "read"] == [*small, "large"]
    ahead = 0
    lowest = list[int]()
    for number, (what, name) in enumerate(calls):
        ahead += 1 if what == "request" else -1
        # while there is more to request, a batch is under way whenever one is read
        if what == "read" and name < small[4 * BATCH - 1] and calls[number + 1][0] == "request":
            lowest.append(ahead)
    assert lowest == [BATCH] * 3
    assert max(sum(what == "request" or -1 for what, _ in calls[:end]) for end in range(len(calls))) == 2 * BATCH


def test_files_folders_and_links_of_many_batches_are_packed_in_the_order_of_the_walk(tree: Path) -> None:
    for number in range(BATCH):
        folder = tree / f"{number:03}" / "deeper"
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(b"%d" % number * 100)
        (folder / "name").symlink_to(f"{number}")
        os.link(folder / "file", folder / "second name")
        (folder.parent / "large").write_bytes(b"%d" % number * SMALL_BYTES)
        (folder.parent / "small").write_bytes(b"%d" % number)
    expected = [entry.name for entry in walk(tree)]
    assert len(expected) == 7 * BATCH
    with pack(tree).open("rb") as file:
        found = {}
        tar = NestedTar(file, "up.tar")
        for member in tar.members():
            found[member.name] = b"".join(piece for _, piece in tar.content())
    assert [*found] == [".", *expected]
    with tarfile.open(tree.parent / "up.tar") as tar:
        for member in tar:
            path = tree / member.name
            if member.issym():
                assert member.linkname == str(path.readlink())
            elif member.isfile():
                assert tar.extractfile(member).read() == path.read_bytes() == found[member.name]


def test_a_small_file_is_packed_as_it_is_when_its_turn_comes(tree: Path) -> None:
    (tree / "first").write_bytes(b"first")
    (tree / "second").write_bytes(b"second")

    def grow(_: int) -> None:
        with (tree / "second").open("ab") as file:
            file.write(b" and more" if (tree / "second").stat().st_size == len("second") else b"")

    target = pack(tree, grow)
    with tarfile.open(target) as tar:
        assert tar.extractfile("second").read() == b"second and more"


@pytest.mark.parametrize("at", [1, BATCH, 3 * BATCH])
def test_after_an_error_no_file_stays_open(tree: Path, at: int) -> None:
    for number in range(4 * BATCH):
        (tree / f"{number:04}").write_bytes(b"x")
    before, packed = open_files(), 0

    def fail(_: int) -> None:
        nonlocal packed
        packed += 1
        if packed == at:
            raise ComponentError("stopped by tests")

    with pytest.raises(ComponentError, match=r"^stopped by tests$"):
        pack(tree, fail)
    assert packed == at
    assert open_files() == before


def test_a_file_that_became_a_pipe_before_its_turn_is_an_error(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "file").write_bytes(b"x")
    opened = os.open

    def replaced(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if path == "file":
            (tree / "file").unlink()
            os.mkfifo(tree / "file")
        return opened(path, flags, mode, dir_fd=dir_fd)

    before = open_files()
    monkeypatch.setattr(os, "open", replaced)
    with pytest.raises(ComponentError, match=rf"^{tree / 'file'} is not a regular file"):
        pack(tree)
    assert open_files() == before


def test_long_headers_do_not_wait_in_memory(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        (tree / f"{number}").mkdir()
    (tree / "file").write_bytes(b"x")
    waiting, write = list[int](), pack_module._Packer._write
    monkeypatch.setattr(pack_module._Packer, "_write", lambda *a: waiting.append(a[1]) or write(*a))
    monkeypatch.setattr(pack_module, "SMALL_BYTES", 1000)
    monkeypatch.setattr(pack_module, "attributes_at", lambda *_: {"user.long": bytes(2000)})
    pack(tree)
    # each folder at once, and the file at the end
    assert waiting == [1, 1, 1, 1]


@pytest.mark.parametrize(("left", "most"), [(60, 1), (128, 1), (132, 2), (200, 36), (2000, 2 * BATCH)])
def test_other_threads_keep_files_that_they_may_open(
    tree: Path, monkeypatch: pytest.MonkeyPatch, left: int, most: int
) -> None:
    for number in range(3 * BATCH):
        (tree / f"{number:04}").write_bytes(b"x")
    monkeypatch.setattr(pack_module, "files_left", lambda: left)
    waiting, write = list[int](), pack_module._Packer._write
    monkeypatch.setattr(
        pack_module._Packer, "_write", lambda self, count: waiting.append(len(self._waiting)) or write(self, count)
    )
    pack(tree)
    assert max(waiting) == most


@pytest.mark.parametrize("files", [1, 2, 30])
@pytest.mark.parametrize("left", [10, 40, 60])
def test_where_too_many_files_are_open_those_that_wait_are_packed_first(
    tree: Path, monkeypatch: pytest.MonkeyPatch, left: int, files: int
) -> None:
    # as if another thread had opened some only afterwards
    monkeypatch.setattr(pack_module, "files_left", lambda: 2000)
    folder = tree
    for depth in range(min(left - 6, 40)):
        for number in range(files):
            (folder / f"{number:02}").write_bytes(b"%d" % depth)
        (folder / "link").symlink_to(f"{depth}")
        folder /= "below"
        folder.mkdir()
    for number in range(20):
        (tree / f"{number}-flat").mkdir()
        (tree / f"{number}-flat" / "file").write_bytes(b"1")
    before = open_files()
    with files_to_open(left):
        target = pack(tree)
    assert open_files() == before
    with tarfile.open(target) as tar:
        assert tar.getnames() == [".", *(entry.name for entry in walk(tree))]
        assert all(tar.extractfile(file).read() == b"%d" % file.name.count("/") for file in tar if file.isfile())


def test_what_those_that_wait_cannot_be_written_for_is_raised(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3 * BATCH):
        (tree / f"{number:04}").write_bytes(b"x")
    monkeypatch.setattr(pack_module, "files_left", lambda: 2000)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pack_module, "copy_unchanged", full)
    before = open_files()
    with files_to_open(20), pytest.raises(OSError, match="No space left on device"):
        pack(tree)
    assert open_files() == before
