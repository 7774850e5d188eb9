"""Reading archives that are whole: ours, those of plain tar, and the server's own."""

import hashlib
import io
import os
import resource
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from backups.archive.errors import ArchiveError
from backups.archive.manifest.document import Manifest
from backups.archive.tar.read import read_manifest, unpack, verify_members
from tests.support.archives.crafted import (
    END,
    FILES,
    SERVER_PLAIN,
    header,
    manifest_member,
    manifest_of,
    member,
    pack,
    padded,
    pax,
    stream,
)
from tests.support.programs import require


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_what_was_packed_is_unpacked_byte_by_byte(tmp_path: Path) -> None:
    archive = pack(FILES, tmp_path / "parts")
    assert unpack(io.BytesIO(archive), tmp_path / "out") == manifest_of(FILES)
    assert contents(tmp_path / "out") == FILES
    assert verify_members(io.BytesIO(archive)) == manifest_of(FILES)
    assert read_manifest(io.BytesIO(archive)) == manifest_of(FILES)


def test_an_archive_of_many_blocks_survives(tmp_path: Path) -> None:
    files = {"big.db": os.urandom(3 * 1024 * 1024 + 1) + bytes(2 * 1024 * 1024)}
    unpack(io.BytesIO(pack(files, tmp_path / "parts")), tmp_path / "out")
    assert contents(tmp_path / "out") == files


def test_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    archive = pack(FILES, tmp_path / "parts")
    before = os.umask(0)
    try:
        unpack(io.BytesIO(archive), tmp_path / "out")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").iterdir()} == {0o600}


def test_only_selected_members_are_written(tmp_path: Path) -> None:
    archive = pack(FILES, tmp_path / "parts")
    manifest = unpack(io.BytesIO(archive), tmp_path / "out", names={"shop.conf"})
    assert manifest == manifest_of(FILES)
    assert contents(tmp_path / "out") == {"shop.conf": FILES["shop.conf"]}


def test_members_that_are_not_selected_are_verified_too(tmp_path: Path) -> None:
    lying = {**FILES, "orders.db": FILES["orders.db"][:-1] + b"X"}
    tar = manifest_member(FILES) + b"".join(member(name, data) for name, data in lying.items()) + END
    with pytest.raises(ArchiveError, match=r"orders\.db in the archive does not have the manifest's SHA-256"):
        unpack(stream(tar), tmp_path / "out", names={"shop.conf"})
    assert not (tmp_path / "out").exists()


def test_a_selected_name_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"no file 'stock\.db'") as refused:
        unpack(io.BytesIO(pack(FILES, tmp_path / "parts")), tmp_path / "out", names={"stock.db"})
    assert refused.value.hint == "It holds: orders.db, shop.conf, empty."


def test_an_empty_directory_is_used_and_made_private(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir(mode=0o755)
    unpack(io.BytesIO(pack(FILES, tmp_path / "parts")), out)
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    assert contents(out) == FILES


@pytest.mark.parametrize("what", ["full", "file", "link"])
def test_anything_but_a_new_or_empty_directory_is_refused_untouched(tmp_path: Path, what: str) -> None:
    out = tmp_path / "out"
    if what == "file":
        out.write_text("mine")
    elif what == "link":
        (tmp_path / "elsewhere").mkdir()
        out.symlink_to(tmp_path / "elsewhere")
    else:
        out.mkdir()
        (out / "mine").write_text("mine")
    with pytest.raises(ArchiveError, match="Cannot unpack into"):
        unpack(io.BytesIO(pack(FILES, tmp_path / "parts")), out)
    assert {path.name for path in tmp_path.rglob("*")} - {*FILES, "parts", "out", "elsewhere"} <= {"mine"}


def test_an_empty_directory_that_was_there_stays_after_an_error(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(ArchiveError):
        unpack(stream(manifest_member(FILES) + member("orders.db", FILES["orders.db"]) + END), out)
    assert contents(out) == {}


def test_what_progress_raises_stops_the_unpacking_and_nothing_remains(tmp_path: Path) -> None:
    class Cancelled(BaseException):
        pass

    def cancel(_delta_bytes: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        unpack(io.BytesIO(pack(FILES, tmp_path / "parts")), tmp_path / "out", progress=cancel)
    assert not (tmp_path / "out").exists()


def test_a_file_system_that_takes_no_more_is_an_oserror_and_nothing_remains(tmp_path: Path) -> None:
    archive = pack({"small.db": b"x", "big.db": os.urandom(400_000)}, tmp_path / "parts")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            unpack(io.BytesIO(archive), tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "out").exists()


def test_progress_adds_up_to_the_total_of_the_manifest(tmp_path: Path) -> None:
    deltas: list[int] = []
    manifest = verify_members(io.BytesIO(pack(FILES, tmp_path / "parts")), deltas.append)
    assert sum(deltas) == manifest.total_size_bytes


def test_the_manifest_is_read_without_reading_the_rest(tmp_path: Path) -> None:
    archive = io.BytesIO(pack({"big.db": os.urandom(2 * 1024 * 1024)}, tmp_path))
    read_manifest(archive)
    assert archive.tell() < 256 * 1024


def test_the_cap_counts_what_is_written(tmp_path: Path) -> None:
    archive = pack(FILES, tmp_path / "parts")
    with pytest.raises(ArchiveError, match="holds 1219 bytes or more, where 1218 are allowed"):
        unpack(io.BytesIO(archive), tmp_path / "a", max_bytes=1218)
    assert not (tmp_path / "a").exists()
    unpack(io.BytesIO(archive), tmp_path / "b", max_bytes=1219)
    unpack(io.BytesIO(archive), tmp_path / "c", names={"shop.conf"}, max_bytes=19)


def test_a_manifest_that_does_not_come_first_is_found_and_bounded(tmp_path: Path) -> None:
    tar = b"".join(member(name, data) for name, data in FILES.items()) + manifest_member(FILES) + END
    assert unpack(stream(tar), tmp_path / "out") == manifest_of(FILES)
    assert contents(tmp_path / "out") == FILES
    for read in (read_manifest, verify_members):
        assert read(stream(tar)) == manifest_of(FILES)
        with pytest.raises(ArchiveError, match="holds 1200 bytes or more, where 1000 are allowed"):
            read(stream(tar), max_bytes=1000)


def test_the_servers_own_archive_unpacks_and_plain_tar_agrees(tmp_path: Path) -> None:
    subprocess.run([require("tar"), "xzf", SERVER_PLAIN, "-C", tmp_path], check=True)
    with SERVER_PLAIN.open("rb") as archive:
        manifest = unpack(archive, tmp_path / "out")
    assert {entry.file for entry in manifest.contents} == {path.name for path in (tmp_path / "out").iterdir()}
    for entry in manifest.contents:
        unpacked = (tmp_path / "out" / entry.file).read_bytes()
        assert unpacked == (tmp_path / entry.file).read_bytes()
        assert hashlib.sha256(unpacked).hexdigest() == entry.checksum_sha256


@pytest.mark.parametrize("form", ["gnu", "ustar", "posix"])
@pytest.mark.parametrize("folder", [True, False])
def test_an_archive_repacked_by_plain_tar_reads(tmp_path: Path, form: str, *, folder: bool) -> None:
    unpack(io.BytesIO(pack(FILES, tmp_path / "parts")), tmp_path / "out")
    (tmp_path / "out" / "manifest.json").write_bytes(manifest_of(FILES).to_json())
    names = ["."] if folder else ["manifest.json", *FILES]
    archive = tmp_path / "again.tar.gz"
    subprocess.run([require("tar"), f"--format={form}", "-czf", archive, "-C", tmp_path / "out", *names], check=True)
    with archive.open("rb") as packed:
        assert verify_members(packed) == manifest_of(FILES)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_archives_of_pythons_tarfile_read(form: int) -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz", format=form) as archive:
        for name, data in {"manifest.json": manifest_of(FILES).to_json(), **FILES}.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size, info.mtime = len(data), 1_700_000_000.5
            archive.addfile(info, io.BytesIO(data))
    target.seek(0)
    assert verify_members(target) == manifest_of(FILES)


def test_extended_headers_give_name_and_size() -> None:
    files = {"n" * 120: b"data" * 200}
    tar = (
        manifest_member(files)
        + pax(path="n" * 120, size="800", mtime="1.5", comment="ignored")
        + header("short", 0)
        + padded(b"data" * 200)
        + END
    )
    assert verify_members(stream(tar)) == manifest_of(files)


def test_a_manifest_alone_is_an_empty_backup() -> None:
    empty: dict[str, bytes] = {}
    assert verify_members(stream(manifest_member(empty) + END)).contents == ()


def test_an_archive_without_a_manifest_is_refused(tmp_path: Path) -> None:
    tar = member("orders.db", b"rows") + END
    for read in (read_manifest, verify_members):
        with pytest.raises(ArchiveError, match=r"holds no manifest\.json"):
            read(stream(tar))
    with pytest.raises(ArchiveError, match=r"holds no manifest\.json"):
        unpack(stream(tar), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_manifest_of_a_newer_format_is_refused_before_anything_else(tmp_path: Path) -> None:
    newer = manifest_of(FILES).to_json().replace(b'"format": 1', b'"format": 2')
    assert newer != manifest_of(FILES).to_json()
    with pytest.raises(ArchiveError, match="format version 2"):
        unpack(stream(member("manifest.json", newer) + END), tmp_path / "out")


def test_the_manifest_type_is_the_public_one() -> None:
    assert isinstance(read_manifest(stream(manifest_member(FILES) + END)), Manifest)
