"""Writing an archive."""

import hashlib
import io
import os
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pytest

from backups.archive.errors import ArchiveError
from backups.archive.manifest.document import Entry, Manifest
from backups.archive.tar.read import verify_members
from backups.archive.tar.write import Part, write_archive
from tests.support.archives.crafted import FILES, manifest_of, pack, pack_counted, parts_of, peak_mebibytes, with_entry
from tests.support.programs import require

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

MIB = 1024 * 1024
SEVERAL_BLOCKS = {"big.db": os.urandom(5 * MIB + 17)}


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


class Recorder(io.BytesIO):
    """A wrap such as encryption: marks where the stream begins and where it was closed."""

    def __init__(self, sink: BinaryIO) -> None:
        super().__init__()
        self._sink = sink
        sink.write(b"<")

    def write(self, data: "Buffer", /) -> int:
        return self._sink.write(data)

    def close(self) -> None:
        if not self.closed:
            self._sink.write(b">")
        super().close()

    def abort(self) -> None:
        super().close()


def test_plain_tar_lists_and_unpacks_the_archive_and_sha256sum_agrees(tmp_path: Path) -> None:
    tar, sha256sum = require("tar"), require("sha256sum")
    archive, out = tmp_path / "a.tar.gz", tmp_path / "out"
    archive.write_bytes(pack(FILES, tmp_path / "parts"))
    out.mkdir()
    listed = subprocess.run([tar, "tzf", archive], check=True, capture_output=True, text=True)
    subprocess.run([tar, "xzf", archive, "-C", out], check=True)
    assert listed.stdout.splitlines() == ["manifest.json", *FILES]
    manifest = Manifest.from_json((out / "manifest.json").read_bytes())
    lines = "".join(f"{entry.checksum_sha256}  {entry.file}\n" for entry in manifest.contents)
    checked = subprocess.run([sha256sum, "-c", "--strict"], input=lines, text=True, cwd=out, capture_output=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_members_are_plain_ustar_files_of_root_that_only_root_reads(tmp_path: Path) -> None:
    parts = parts_of(FILES, tmp_path)
    os.utime(parts[0].path, (1_700_000_000.75, 1_700_000_000.75))
    target = io.BytesIO()
    write_archive(target, manifest_of(FILES), parts)
    target.seek(0)
    with tarfile.open(fileobj=target) as archive:
        members = archive.getmembers()
        assert [member.name for member in members] == ["manifest.json", *FILES]
        assert all(member.isreg() and member.mode == 0o600 and not member.pax_headers for member in members)
        assert {(member.uid, member.gid, member.uname, member.gname) for member in members} == {(0, 0, "", "")}
        assert members[1].mtime == 1_700_000_000


def test_a_name_over_a_hundred_characters_survives(tmp_path: Path) -> None:
    files = {"n" * 128: b"data"}
    archive = pack(files, tmp_path)
    with tarfile.open(fileobj=io.BytesIO(archive)) as reread:
        assert reread.getnames() == ["manifest.json", "n" * 128]
    assert verify_members(io.BytesIO(archive)).entry("n" * 128) is not None


def test_checksum_and_size_are_those_of_the_file_written(tmp_path: Path) -> None:
    archive, packed = pack_counted(FILES, tmp_path)
    assert packed.size_bytes == len(archive)
    assert packed.sha256 == hashlib.sha256(archive).hexdigest()
    assert packed.blake2b == hashlib.blake2b(archive).hexdigest()


def test_equal_input_gives_equal_archives_whose_header_holds_no_time(tmp_path: Path) -> None:
    first = pack(SEVERAL_BLOCKS, tmp_path)
    os.utime(tmp_path / "big.db", (1, 1))
    parts = [Part(tmp_path / "big.db", "big.db")]
    second, third = io.BytesIO(), io.BytesIO()
    write_archive(second, manifest_of(SEVERAL_BLOCKS), parts)
    write_archive(third, manifest_of(SEVERAL_BLOCKS), parts)
    assert second.getvalue() == third.getvalue()
    assert first[:10] == second.getvalue()[:10]
    assert first[3:8] == bytes(5)


def test_the_wrap_gets_the_whole_stream_is_closed_and_is_part_of_the_checksum(tmp_path: Path) -> None:
    target = io.BytesIO()
    packed = write_archive(target, manifest_of(FILES), parts_of(FILES, tmp_path), wrap=Recorder)
    written = target.getvalue()
    assert written[:1] + written[-1:] == b"<>"
    assert verify_members(io.BytesIO(written[1:-1])) == manifest_of(FILES)
    assert packed.sha256 == hashlib.sha256(written).hexdigest()
    assert not target.closed


def test_progress_adds_up_to_the_bytes_packed(tmp_path: Path) -> None:
    deltas: list[int] = []
    parts = parts_of(SEVERAL_BLOCKS, tmp_path)
    write_archive(io.BytesIO(), manifest_of(SEVERAL_BLOCKS), parts, progress=deltas.append)
    assert sum(deltas) == 5 * MIB + 17
    assert max(deltas) <= MIB


class Cancelled(BaseException):
    pass


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_cancelling_stops_the_threads_and_the_target_gets_nothing_more(tmp_path: Path, compression: str) -> None:
    if compression == "zstd":
        pytest.importorskip("zstandard")
    target = io.BytesIO()
    sizes: list[int] = []

    def cancel(delta_bytes: int) -> None:
        sizes.append(delta_bytes)
        if len(sizes) == 3:
            raise Cancelled

    parts = parts_of(SEVERAL_BLOCKS, tmp_path)
    with pytest.raises(Cancelled):
        write_archive(
            target, manifest_of(SEVERAL_BLOCKS), parts, wrap=Recorder, progress=cancel, compression=compression
        )
    assert not target.getvalue().endswith(b">")
    with pytest.raises(ArchiveError):
        verify_members(io.BytesIO(target.getvalue()[1:]))


@pytest.mark.parametrize("buffering", [0, MIB])
def test_a_full_disk_is_its_own_oserror_and_leaves_no_thread(tmp_path: Path, buffering: int) -> None:
    parts = parts_of(SEVERAL_BLOCKS, tmp_path)
    with pytest.raises(OSError, match="No space left"), Path("/dev/full").open("wb", buffering=buffering) as target:
        write_archive(target, manifest_of(SEVERAL_BLOCKS), parts)


def test_a_file_that_shrank_grew_or_changed_since_its_check_is_refused_by_name(tmp_path: Path) -> None:
    for content in (b"x", b"x" * 5000, FILES["shop.conf"].swapcase()):
        parts = parts_of(FILES, tmp_path)
        parts[1].path.write_bytes(content)
        with pytest.raises(ArchiveError, match=r"shop\.conf changed between its check and its packing"):
            write_archive(io.BytesIO(), manifest_of(FILES), parts)


def test_a_file_that_is_gone_is_an_error_that_names_it(tmp_path: Path) -> None:
    parts = parts_of(FILES, tmp_path)
    parts[1].path.unlink()
    with pytest.raises(ArchiveError, match=r"shop\.conf cannot be read: No such file or directory"):
        write_archive(io.BytesIO(), manifest_of(FILES), parts)


def test_parts_and_manifest_must_agree_exactly(tmp_path: Path) -> None:
    manifest, parts = manifest_of(FILES), parts_of(FILES, tmp_path)
    target = io.BytesIO()
    with pytest.raises(ArchiveError, match=r"lists shop\.conf, but it is not among"):
        write_archive(target, manifest, [parts[0], parts[2]])
    with pytest.raises(ArchiveError, match=r"shop\.conf is to be packed, but the manifest does not list it"):
        write_archive(target, replace(manifest, contents=(manifest.contents[0], manifest.contents[2])), parts)
    with pytest.raises(ArchiveError, match=r"shop\.conf is to be packed twice"):
        write_archive(target, manifest, [*parts, parts[1]])
    assert target.getvalue() == b""


def test_a_manifest_that_could_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    bad = with_entry(manifest_of(FILES), Entry("../etc/passwd", 0, "a" * 64, "data"))
    parts = [*parts_of(FILES, tmp_path), Part(tmp_path / "empty", "../etc/passwd")]
    target = io.BytesIO()
    with pytest.raises(ArchiveError, match="not a plain file name"):
        write_archive(target, bad, parts)
    assert target.getvalue() == b""


MEASURE = """
import sys
from pathlib import Path
from backups.archive.tar.write import Part, write_archive
from backups.archive.tar.read import verify_members
from tests.support.archives.crafted import manifest_of
import hashlib
from dataclasses import replace
path = Path(sys.argv[1])
with path.open("rb") as source:
    checksum = hashlib.file_digest(source, "sha256").hexdigest()
manifest = manifest_of({"big": b""})
entry = replace(manifest.contents[0], size_bytes=path.stat().st_size, checksum_sha256=checksum)
with path.with_suffix(".gz").open("wb") as target:
    write_archive(target, replace(manifest, contents=(entry,)), [Part(path, "big")])
with path.with_suffix(".gz").open("rb") as archive:
    verify_members(archive)
"""


def test_memory_does_not_grow_with_the_data(tmp_path: Path) -> None:
    peaks = []
    for size in (20 * MIB, 100 * MIB):
        path = tmp_path / "big"
        with path.open("wb") as sparse:
            sparse.truncate(size)
        peaks.append(peak_mebibytes(MEASURE, path))
    assert peaks[1] < 100
    assert peaks[1] - peaks[0] < 10
