"""Property tests: no input makes the reader write outside its directory, exceed its limits or raise another error."""

import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from backups.archive.errors import ArchiveError
from backups.archive.manifest.document import Manifest
from backups.archive.manifest.names import is_flat_name
from backups.archive.tar.read import read_manifest, unpack, verify_members
from backups.archive.tcbk import decrypt
from tests.support.archives.crafted import (
    END,
    FILES,
    compressed,
    header,
    manifest_member,
    manifest_of,
    padded,
    pax,
    tar_of,
)
from tests.support.soak import examples, often

CAP = 3000
pytestmark = pytest.mark.soak
ORDINARY = examples(60, suppress_health_check=[HealthCheck.too_slow])

NAMES = st.one_of(
    st.sampled_from(
        ["orders.db", "shop.conf", "empty", "manifest.json", "./orders.db", "../evil", "/evil", "./", "a/b"]
    ),
    st.text(max_size=40),
)
SIZES = st.one_of(
    st.integers(0, 4000),
    st.sampled_from([b"\xff" * 12, b"\x80" + b"\xff" * 11, b"77777777777\0", b"", b"-1"]),
    st.binary(max_size=12),
)
KINDS = st.one_of(
    st.sampled_from([b"0", b"0", b"0", b"\0", b"1", b"2", b"5", b"x", b"g", b"L", b"S"]),
    st.binary(min_size=1, max_size=1),
)
HEADERS = st.builds(
    header,
    NAMES.map(lambda name: name.encode("utf-8", "ignore")[:90].decode("utf-8", "ignore")),
    SIZES,
    KINDS,
    prefix=st.sampled_from(["", "", "", "..", "etc"]),
)
PAX = st.dictionaries(st.sampled_from(["path", "size", "mtime", "GNU.sparse.name", "k"]), st.text(max_size=30)).map(
    lambda records: pax(**{key: value.encode("utf-8", "ignore").decode() for key, value in records.items()})
)
PIECES = st.one_of(
    HEADERS,
    PAX,
    st.binary(max_size=1500).map(padded),
    st.sampled_from(list(FILES.items())).map(lambda file: header(file[0], len(file[1])) + padded(file[1])),
    st.just(manifest_member(FILES)),
    st.just(END),
    st.integers(0, 200_000).map(bytes),
)


def guarded(read: Callable[[], Manifest]) -> Manifest | None:
    try:
        return read()
    except ArchiveError as error:
        assert error.message.isprintable()
        return None


def hold_for(archive: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        parent = Path(name)
        out = parent / "inside" / "out"
        out.parent.mkdir()
        unpacked = guarded(lambda: unpack(io.BytesIO(archive), out, max_bytes=CAP))
        assert list(parent.iterdir()) == [out.parent]
        assert list(out.parent.iterdir()) == ([out] if unpacked else [])
        if unpacked:
            written = {path.name: path.stat() for path in out.iterdir()}
            assert set(written) == {entry.file for entry in unpacked.contents}
            assert all(is_flat_name(name) and status.st_nlink == 1 for name, status in written.items())
            assert sum(status.st_size for status in written.values()) <= CAP
    verified = guarded(lambda: verify_members(io.BytesIO(archive), max_bytes=CAP))
    assert verified == unpacked
    manifest = guarded(lambda: read_manifest(io.BytesIO(archive), max_bytes=CAP))
    assert unpacked is None or manifest == unpacked


@ORDINARY
@given(st.binary(max_size=2000))
def test_any_bytes(archive: bytes) -> None:
    hold_for(archive)


@ORDINARY
@given(st.binary(max_size=4000))
@example(b"")
def test_any_bytes_in_a_valid_gzip(tar: bytes) -> None:
    hold_for(compressed(tar))


@ORDINARY
@given(st.lists(PIECES, max_size=8).map(b"".join))
@example(tar_of(FILES))
def test_any_sequence_of_headers_and_contents(tar: bytes) -> None:
    hold_for(compressed(tar))


@ORDINARY
@given(st.lists(PIECES, max_size=4).map(b"".join), st.lists(PIECES, max_size=3).map(b"".join))
def test_anything_before_and_after_the_manifest(before: bytes, after: bytes) -> None:
    hold_for(compressed(before + manifest_member(FILES) + after + END))


@ORDINARY
@given(st.data())
def test_a_good_tar_with_any_bytes_replaced(data: st.DataObject) -> None:
    tar = bytearray(tar_of(FILES))
    for _change in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(tar) - 1))
        replacement = data.draw(st.binary(min_size=1, max_size=20))
        tar[position : position + len(replacement)] = replacement
    hold_for(compressed(bytes(tar)))


@ORDINARY
@given(st.data())
def test_a_good_archive_with_any_bytes_replaced(data: st.DataObject) -> None:
    archive = bytearray(compressed(tar_of(FILES)))
    position = data.draw(st.integers(0, len(archive) - 1))
    replacement = data.draw(st.binary(min_size=1, max_size=20))
    archive[position : position + len(replacement)] = replacement
    hold_for(bytes(archive))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@ORDINARY
@given(st.data())
def test_a_manifest_with_any_value_anywhere_is_read_back_equal_or_refused(data: st.DataObject) -> None:
    document = manifest_of(FILES).to_dict()
    place = data.draw(
        st.sampled_from(
            [
                document,
                *(document[key] for key in ("backup_metadata", "system_info", "config_info")),
                document["contents"][0],
            ]
        )
    )
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(JSON)
    manifest = guarded(lambda: Manifest.from_dict(document))
    if manifest is not None:
        assert Manifest.from_json(manifest.to_json()) == manifest
        manifest.to_json().decode("ascii")


@ORDINARY
@given(st.binary(max_size=3000))
def test_any_bytes_as_a_manifest(data: bytes) -> None:
    guarded(lambda: Manifest.from_json(data))


@settings(ORDINARY, max_examples=often(30))
@given(st.binary(max_size=600), st.text(max_size=10))
def test_any_bytes_as_an_encrypted_container(data: bytes, passphrase: str) -> None:
    target = io.BytesIO()
    try:
        decrypt(io.BytesIO(b"TCBK\x01" + data), target, passphrase)
    except ArchiveError as error:
        assert error.message.isprintable()
    assert target.getvalue() == b""
