"""Hard links and holes of files come back from a backup, and through GNU tar."""

import shutil
import tarfile
import time
from pathlib import Path

from backups.components.files.compare import first_difference
from backups.components.files.component import FilesComponent
from backups.components.files.format.sparse import decode_map, encode_map
from backups.components.files.replacing.replace import replace_tree
from tests.components.files.kept.packed import packed, unpacked_by_tar
from tests.support.programs import missing

GIGABYTES = 500 << 30


def test_hard_links_stay_one_file(live: Path, staged: Path, tmp_path: Path) -> None:
    (live / "a").write_text("one file")
    (live / "sub").mkdir()
    for name in ("b", "sub/c"):
        (live / name).hardlink_to(live / "a")
    (live / "outside").write_text("x")
    (tmp_path / "elsewhere").hardlink_to(live / "outside")
    archive = packed(live, staged)
    with tarfile.open(archive) as tar:
        assert [tar.getmember(name).linkname for name in ("b", "sub/c")] == ["a", "a"]
    for path in ("a", "b", "sub/c"):
        (live / path).unlink()
        (live / path).write_text("one file")
    assert first_difference(archive, live, lambda _: None) == "b"
    replace_tree(archive, live, lambda _: None)
    assert first_difference(archive, live, lambda _: None) is None
    for root in (live, unpacked_by_tar(archive, tmp_path / "plain")):
        assert len({(root / name).stat().st_ino for name in ("a", "b", "sub/c")}) == 1
        assert ((root / "a").stat().st_nlink, (root / "outside").stat().st_nlink) == (3, 1)
        assert (root / "sub" / "c").read_text() == "one file"


def sparse(path: Path, size: int, *data: tuple[int, bytes]) -> None:
    with path.open("wb") as file:
        file.truncate(size)
        for offset, piece in data:
            file.seek(offset)
            file.write(piece)
    if path.stat().st_blocks * 512 > size // 2:
        missing("this file system has no holes")


def test_a_file_of_500_gigabytes_with_4_kilobytes_of_data_is_backed_up_and_restored(
    live: Path, staged: Path, tmp_path: Path
) -> None:
    sparse(live / "disk.img", GIGABYTES, (0, b"boot"), (300 << 30, b"x" * 4096))
    sparse(live / "empty.img", 10 << 20)
    sparse(live / ("long name " * 20), 1 << 20, ((1 << 20) - 3, b"end"))
    component = FilesComponent("data", live, member="data")
    assert component.source_bytes() < 1 << 20
    began = time.process_time()
    archive = packed(live, staged)
    assert archive.stat().st_size < 1 << 20
    shutil.rmtree(live)
    live.mkdir()
    replace_tree(archive, live, lambda _: None)
    plain = unpacked_by_tar(archive, tmp_path / "plain")
    for root in (live, plain):
        assert (root / "disk.img").stat().st_size == GIGABYTES
        assert (root / "disk.img").stat().st_blocks * 512 < 1 << 20
        assert (root / "empty.img").stat().st_size == 10 << 20
        assert (root / ("long name " * 20)).read_bytes() == bytes((1 << 20) - 3) + b"end"
        with (root / "disk.img").open("rb") as file:
            assert file.read(5) == b"boot\0"
            file.seek(300 << 30)
            assert file.read(4097) == b"x" * 4096 + b"\0"
        assert first_difference(archive, root, lambda _: None) is None
    with (live / "disk.img").open("r+b") as file:
        file.seek(200 << 30)
        file.write(b"y")
    assert first_difference(archive, live, lambda _: None) == "disk.img"
    # the processor's time, which other programs do not lengthen: reading all the holes takes minutes of it
    assert time.process_time() - began < 30


def test_a_map_of_holes_is_read_as_it_was_written() -> None:
    many = [(number * 10, 1) for number in range(999)]
    for segments, size in [([], 0), ([], 10**12), ([(0, 3)], 10), ([(5, 5)], 10), (many, 10**4)]:
        text = encode_map(segments, size)
        blocks = iter(text[at : at + 512] for at in range(0, len(text), 512))
        assert decode_map(lambda blocks=blocks: next(blocks), size) == (segments, sum(length for _, length in segments))
        assert next(blocks, None) is None
