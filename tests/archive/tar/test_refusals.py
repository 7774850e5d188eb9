"""Malicious archives, each built byte by byte."""

import gzip
import io
from pathlib import Path

import pytest

from backups.archive.errors import ArchiveError
from backups.archive.manifest.document import MAX_MANIFEST_BYTES
from backups.archive.tar.header import RECORD_BYTES
from backups.archive.tar.read import read_manifest, unpack, verify_members
from backups.archive.tar.stream import MAX_MEMBERS, MAX_TRAILING_BYTES, TarStream
from tests.support.archives.crafted import (
    END,
    FILES,
    compressed,
    header,
    manifest_member,
    manifest_of,
    member,
    padded,
    pax,
    stream,
    tar_of,
)

ONE = {"a.db": b"rows" * 300}
DATA = ONE["a.db"]
HEAD = manifest_member(ONE)
BODY = member("a.db", DATA)
GIB = 1024**3


def refused(archive: bytes, directory: Path) -> ArchiveError:
    """Every reader refuses with the same message, and nothing remains."""
    before = sorted(directory.rglob("*"))
    with pytest.raises(ArchiveError) as unpacked:
        unpack(io.BytesIO(archive), directory / "out")
    assert sorted(directory.rglob("*")) == before
    with pytest.raises(ArchiveError) as verified:
        verify_members(io.BytesIO(archive))
    assert verified.value.message == unpacked.value.message
    assert unpacked.value.hint
    return unpacked.value


EXTRA = {
    "a parent folder": (member("../evil", b"x"), "'../evil' does not have a plain file name"),
    "a parent in the middle": (member("a/../../evil", b"x"), "'a/../../evil' does not have a plain"),
    "an absolute name": (member("/etc/cron.d/evil", b"x"), "'/etc/cron.d/evil' does not have a plain"),
    "a folder in the name": (member("etc/evil", b"x"), "'etc/evil' does not have a plain"),
    "a doubled ./": (member("././evil", b"x"), "'././evil' does not have a plain"),
    "a prefix": (header("evil", 0, prefix="../.."), "'../../evil' does not have a plain"),
    "an empty name": (header("", 0), "'' does not have a plain"),
    "a hidden file": (header(".profile", 0), "'.profile' does not have a plain"),
    "a name with an escape": (header("a\x1b[2Jb", 0), r"'a\x1b[2Jb' does not have a plain"),
    "a name that is not UTF-8": (header("\udcff", 0), r"'\\xff' does not have a plain"),
    "a slash at the end": (header("evil/", 0), "'evil/' does not have a plain"),
    "a hard link": (header("l", 0, b"1", linkname="a.db"), "'l' is a hard link"),
    "a symbolic link": (header("l", 0, b"2", linkname="/etc"), "'l' is a symbolic link"),
    "a symbolic link and a file through it": (
        header("l", 0, b"2", linkname="/tmp") + member("l/evil", b"x"),
        "'l' is a symbolic link",
    ),
    "a character device": (header("d", 0, b"3"), "'d' is a character device"),
    "a block device": (header("d", 0, b"4"), "'d' is a block device"),
    "a folder": (header("d/", 0, b"5"), "'d/' is a folder"),
    "a parent folder entry": (header("../", 0, b"5"), "'../' is a folder"),
    "a named pipe": (header("p", 0, b"6"), "'p' is a named pipe"),
    "a contiguous file": (header("c", 0, b"7"), "'c' is a contiguous file"),
    "a sparse file": (header("s", 0, b"S"), "'s' is a sparse file"),
    "a GNU long name": (member("././@LongLink", b"../evil\0", b"L"), "is a GNU long name"),
    "a GNU long link": (member("././@LongLink", b"../evil\0", b"K"), "is a GNU long link name"),
    "a global header": (member("g", b"14 path=/evil\n", b"g"), "is a global PAX header"),
    "a volume label": (header("v", 0, b"V"), "is a volume label"),
    "an unknown type": (header("u", 0, b"Z"), "is of the unknown type b'Z'"),
    "a name in the extended header": (pax(path="../evil") + header("fine", 0), "'../evil' does not have a plain"),
    "a sparse map": (pax(**{"GNU.sparse.major": "1"}) + header("s", 0), "a sparse file"),
    "a PAX bomb": (header("././@PaxHeader", 65_537, b"x"), "extended tar header of 65537 bytes"),
    "a huge PAX bomb": (header("././@PaxHeader", 8 * GIB - 1, b"x"), "extended tar header of 8589934591 bytes"),
    "two extended headers": (pax(mtime="1") + pax(mtime="2") + header("f", 0), "two extended tar headers"),
    "an extended header at the end": (pax(mtime="1") + END, "of an unknown format"),
    "an extended header without equals": (member("x", b"8 abcd\n\n"[:8], b"x") + header("f", 0), "is malformed"),
    "an extended header cut short": (member("x", b"99 a=b\n", b"x") + header("f", 0), "is malformed"),
    "an extended header of length 0": (member("x", b"0 a=b\n", b"x") + header("f", 0), "is malformed"),
    "an extended header that repeats": (member("x", b"7 a=bc\n" * 2, b"x") + header("f", 0), "is malformed"),
    "a negative PAX size": (pax(size="-1") + header("f", 0), "'f' has an impossible size"),
    "an overflowing PAX size": (pax(size=str(2**63)) + header("f", 0), "'f' has an impossible size"),
    "a long PAX size": (pax(size="9" * 5000) + header("f", 0), "'f' has an impossible size"),
    "a PAX size in other digits": (pax(size="²") + header("f", 0), "'f' has an impossible size"),
    "a size with a sign": (header("f", b"-0000000001\0"), "'f' has an impossible size"),
    "a negative base-256 size": (header("f", b"\xff" * 12), "'f' has an impossible size"),
    "an overflowing base-256 size": (header("f", b"\x80\0\0\0\x80" + bytes(7)), "'f' has an impossible size"),
    "a base-256 size of 95 bits": (header("f", b"\x81" + b"\xff" * 11), "'f' has an impossible size"),
    "no size": (header("f", bytes(12)), "'f' has an impossible size"),
    "a size that is not octal": (header("f", b"00000000009\0"), "'f' has an impossible size"),
    "a wrong checksum": (header("f", 0, checksum=1), "checksum is wrong"),
    "an unknown magic": (header("f", 0, magic=b"USTAR\x0000"), "of an unknown format"),
    "no magic": (header("f", 0, magic=bytes(8)), "of an unknown format"),
    "the same name again": (BODY, "holds 'a.db' twice"),
    "the same name with ./": (member("./a.db", DATA), "holds './a.db' twice"),
    "the same name in capitals": (member("A.DB", DATA), "holds 'A.DB' twice"),
    "a second manifest": (HEAD, "holds 'manifest.json' twice"),
    "a second folder entry": (header("./", 0, b"5") * 2, "holds './' twice"),
    "a folder with content": (header("./", 1, b"5"), "'./' is a folder"),
    "a member that is not listed": (member("b.db", b"x"), "b.db is in the archive but is not listed"),
}


@pytest.mark.parametrize(("extra", "message"), EXTRA.values(), ids=EXTRA)
def test_a_member_that_no_backup_has_is_refused_by_name(tmp_path: Path, extra: bytes, message: str) -> None:
    assert message in refused(compressed(HEAD + BODY + extra + END), tmp_path).message


@pytest.mark.parametrize(
    "extra", [extra for name, (extra, _message) in EXTRA.items() if "not listed" not in name]
)  # fmt: skip
def test_it_is_refused_before_the_manifest_is_known_too(tmp_path: Path, extra: bytes) -> None:
    with pytest.raises(ArchiveError):
        unpack(stream(BODY + extra + HEAD + END), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("tar", "message"),
    [
        (HEAD + END, "a.db is listed in the manifest but is not in the archive"),
        (HEAD + member("b.db", DATA) + END, "b.db is in the archive but is not listed in the manifest"),
        (HEAD + member("a.db", DATA + b"x") + END, "a.db has 1201 bytes in the archive, but 1200 in the manifest"),
        (HEAD + member("a.db", DATA[:-1]) + END, "a.db has 1199 bytes in the archive, but 1200 in the manifest"),
        (HEAD + member("a.db", DATA.upper()) + END, "a.db in the archive does not have the manifest's SHA-256"),
        (HEAD + header("a.db", b"\x80" + (9 * GIB).to_bytes(11, "big")), "a.db has 9663676416 bytes in the archive"),
        (HEAD + pax(size=str(9 * GIB)) + header("a.db", 0), "a.db has 9663676416 bytes in the archive"),
        (HEAD + pax(size="1024") + BODY + END, "a.db has 1024 bytes in the archive"),
        (member("a.db", DATA[:-1]) + HEAD + END, "a.db has 1199 bytes in the archive, but 1200 in the manifest"),
        (member("a.db", DATA.upper()) + HEAD + END, "a.db in the archive does not have the manifest's SHA-256"),
        (member("b.db", DATA) + HEAD + END, "b.db is in the archive but is not listed in the manifest"),
        (HEAD + BODY, "is truncated"),
        (HEAD + BODY + END[:512], "is truncated"),
        (HEAD + BODY + END[:512] + BODY + END, "has data after its end"),
        (HEAD + BODY + END + BODY, "has data after its end"),
        (HEAD + BODY + END + b"\0" * 7000 + b"x", "has data after its end"),
        (HEAD + BODY + END + bytes(MAX_TRAILING_BYTES + 1), "too much padding after its end"),
        (HEAD + BODY[:-1] + b"x" + END, "the padding of a member is not empty"),
        (HEAD + header("a.db", 1200) + END * 2 + END, "a.db in the archive does not have"),
        (b"x" * 512, "of an unknown format"),
        (b"", "is truncated"),
        (END, "holds no manifest.json"),
        (header("manifest.json", 10) + padded(b"not JSON!!") + END, "manifest.json is not valid JSON"),
        (header("manifest.json", MAX_MANIFEST_BYTES + 1), "manifest.json is larger than 4194304 bytes"),
        (header("Manifest.json", 0) + HEAD + BODY + END, "holds 'manifest.json' twice"),
    ],
)
def test_an_archive_that_disagrees_with_its_manifest_or_itself_is_refused(
    tmp_path: Path, tar: bytes, message: str
) -> None:
    assert message in refused(compressed(tar), tmp_path).message


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (b"", "The archive is empty"),
        (b"\x1f", "not compressed with gzip or zstd"),
        (tar_of(FILES), "not compressed with gzip or zstd"),
        (b"PK\x03\x04" + bytes(100), "not compressed with gzip or zstd"),
        (b"age-encryption.org/v1\n", "is encrypted with age"),
        (b"TCBK\x01" + bytes(100), "is an encrypted archive of the TACACS+ server"),
        (compressed(tar_of(FILES)) + b"x", "truncated"),
        (compressed(tar_of(FILES)) + b"garbage after the end", "data after the end of its compressed stream"),
        (compressed(tar_of(FILES)) + bytes(512), "data after the end of its compressed stream"),
        (compressed(tar_of(FILES)) * 2, "has data after its end"),
        (compressed(tar_of(FILES))[:-4] + b"\0\0\0\0", "checksum of its compressed stream is wrong"),
        (compressed(tar_of(FILES))[:-8] + bytes(4) + compressed(tar_of(FILES))[-4:], "checksum of its compressed"),
        (b"\x1f\x8b\x08\x04" + compressed(tar_of(FILES))[4:], "its gzip header has unknown flags"),
        (b"\x1f\x8b\x07\x00" + compressed(tar_of(FILES))[4:], "its gzip header has unknown flags"),
        (b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * 5000, "file name in its gzip header has no end"),
    ],
)
def test_a_stream_that_is_not_one_whole_gzip_is_refused(tmp_path: Path, archive: bytes, message: str) -> None:
    assert message in refused(archive, tmp_path).message


def test_several_gzip_members_are_one_archive() -> None:
    tar = tar_of(FILES)
    archive = gzip.compress(tar[:700]) + gzip.compress(b"") + gzip.compress(tar[700:])
    assert verify_members(io.BytesIO(archive)) == manifest_of(FILES)


def test_a_gzip_bomb_is_refused_at_its_header_once_the_manifest_is_known(tmp_path: Path) -> None:
    bomb = compressed(HEAD + header("a.db", 64 * 1024 * 1024) + bytes(64 * 1024 * 1024) + END)
    source = io.BytesIO(bomb)
    with pytest.raises(ArchiveError, match=r"a\.db has 67108864 bytes in the archive, but 1200 in the manifest"):
        unpack(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_gzip_bomb_before_the_manifest_is_refused_at_the_cap(tmp_path: Path) -> None:
    bomb = compressed(header("a.db", 64 * 1024 * 1024) + bytes(64 * 1024 * 1024) + HEAD + END)
    with pytest.raises(ArchiveError, match="holds 67108864 bytes or more, where 1000000 are allowed"):
        unpack(io.BytesIO(bomb), tmp_path / "out", max_bytes=1_000_000)
    assert not (tmp_path / "out").exists()


def test_without_a_cap_the_free_space_is_the_cap(tmp_path: Path) -> None:
    bomb = stream(header("a.db", b"\x80" + (2**62).to_bytes(11, "big")))
    with pytest.raises(ArchiveError, match="holds 4611686018427387904 bytes or more, where"):
        unpack(bomb, tmp_path / "out")


def test_an_archive_of_countless_members_is_refused() -> None:
    def chunks() -> object:
        number = 0
        while True:
            yield header(f"f{number}", 0)
            number += 1

    members = TarStream(chunks()).members()  # type: ignore[arg-type]
    with pytest.raises(ArchiveError, match=f"more than {MAX_MEMBERS} members"):
        for _member in members:
            pass


def test_a_size_beyond_8_gib_is_read_from_either_extension() -> None:
    for tar in (
        header("a.db", b"\x80" + (9 * GIB).to_bytes(11, "big")),
        pax(size=str(9 * GIB)) + header("a.db", 0),
    ):
        assert next(TarStream(iter([tar])).members()).size == 9 * GIB


def test_names_in_messages_are_escaped_and_short(tmp_path: Path) -> None:
    error = refused(compressed(HEAD + pax(path="\x1b[31m" + "n" * 5000) + header("f", 0) + END), tmp_path)
    assert error.message.isprintable()
    assert len(error.message) < 300


def test_the_manifest_can_be_read_from_an_archive_with_malicious_members() -> None:
    assert read_manifest(stream(HEAD + member("evil", b"x") + END)) == manifest_of(ONE)
    assert len(HEAD) % RECORD_BYTES == 0
