"""The manifest, read strictly."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from backups.archive.errors import ArchiveError
from backups.archive.manifest.document import FORMAT, Absent, Entry, Manifest, Unchecked
from backups.archive.manifest.permissions import MOST_FOLDERS, Permissions
from backups.archive.tar.read import read_manifest
from tests.support.archives.crafted import FILES, SERVER_PLAIN, manifest_of

FULL = replace(
    manifest_of(FILES),
    contents=(
        Entry("orders.db", 10, "a" * 64, "database", "orders", 7, {"orders": 5, "lines": 2}, {"orders": "2026-01-01"}),
        Entry(
            "shop.conf",
            0,
            "b" * 64,
            "config",
            "config",
            permissions=Permissions(0o640, 7, 8, "shop", None, (Permissions(0o2750, 0, 0, "root", "root"),)),
        ),
    ),
    sqlite_version="3.40.1",
    config_source="file",
    config_hash="c" * 64,
    has_overrides=True,
    encrypted=True,
    encryption_algorithm="age-v1",
    encryption_metadata={"recipients": ["age1a", "age1b"], "work_factor": 18, "armored": False, "key": None},
    warnings=("Uploads are missing.",),
    absent=(Absent("uploads", "the folder does not exist"),),
)


def changed(**changes: Any) -> bytes:
    return json.dumps(FULL.to_dict() | changes).encode()


def changed_entry(**changes: Any) -> bytes:
    document = FULL.to_dict()
    document["contents"][0] |= changes
    return json.dumps(document).encode()


def test_a_manifest_reads_back_equal_from_json_and_from_a_dict() -> None:
    assert Manifest.from_json(FULL.to_json()) == FULL
    assert Manifest.from_dict(FULL.to_dict()) == FULL
    assert Manifest.from_dict(json.loads(json.dumps(FULL.to_dict()))) == FULL


def test_what_was_not_checked_or_counted_reads_back_and_is_not_there_where_all_was() -> None:
    whole, *_ = FULL.contents
    partly = replace(
        whole,
        records=None,
        not_checked=(Unchecked("f", "no such tokenizer"),),
        not_counted=(Unchecked("", "too large"),),
    )
    manifest = replace(FULL, contents=(partly,))
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert partly.to_dict()["not_checked"] == [{"table": "f", "reason": "no such tokenizer"}]
    assert not {"not_checked", "not_counted"} & set(whole.to_dict())


def test_the_keys_of_the_shared_format_come_first_and_ours_after_them() -> None:
    assert list(json.loads(FULL.to_json())) == [
        "backup_metadata", "system_info", "config_info", "contents", "total_size_bytes", "encrypted",
        "encryption_algorithm", "encryption_metadata", "format", "application", "kind", "warnings", "absent",
            "left_out",
    ]  # fmt: skip


def test_the_total_is_the_sum_of_the_entries() -> None:
    assert FULL.total_size_bytes == 10
    assert json.loads(FULL.to_json())["total_size_bytes"] == 10


def test_components_and_their_entries_are_listed() -> None:
    assert FULL.components == ("orders", "config")
    assert [entry.file for entry in FULL.entries_of("orders")] == ["orders.db"]
    assert FULL.entries_of("unknown") == ()
    assert FULL.entry("shop.conf") == FULL.contents[1]
    assert FULL.entry("other") is None


def test_the_servers_own_manifest_reads_and_its_files_have_components() -> None:
    with SERVER_PLAIN.open("rb") as archive:
        manifest = read_manifest(archive)
    assert manifest.is_foreign
    assert manifest.instance_name == "tacacs-hq"
    assert manifest.taken_at == datetime(2026, 11, 23, 1, 44, 43, 521536, tzinfo=UTC)
    assert {entry.file: entry.component for entry in manifest.contents} == {
        "tacacs.conf": "config",
        "config_overrides.db": "config",
        "config_export.json": "config",
        "devices.db": "devices",
        "local_auth.db": "users",
        "tacacs_accounting.db": "accounting",
        "metrics_history.db": "metrics",
        "audit_trail.db": "audit",
    }
    assert Manifest.from_json(manifest.to_json()) == manifest


@pytest.mark.parametrize("timestamp", ["", "yesterday", "2026-11-23T01:44:43"])
def test_a_timestamp_that_names_no_moment_is_unknown(timestamp: str) -> None:
    assert replace(FULL, timestamp_utc=timestamp).taken_at is None


def test_a_newer_format_is_refused_with_its_version_named() -> None:
    with pytest.raises(ArchiveError, match=f"format version 7; this program reads up to version {FORMAT}") as refused:
        Manifest.from_json(changed(format=7))
    assert "Upgrade" in refused.value.hint


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": 1, "a": 2}', "the key 'a' appears twice"),
        (b"9" * 5000, "not valid JSON"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a":' * 200_000, "nested too deeply"),
        (b" " * (4 * 1024 * 1024 + 1), "larger than 4194304 bytes"),
        (b"[]", "top level must be an object, not list"),
        (b"null", "top level must be an object, not null"),
        (b"{}", "has no backup_metadata"),
        (changed(backup_metadata=[]), "backup_metadata must be an object, not list"),
        (changed(backup_metadata={}), "has no backup_metadata.instance_id"),
        (changed(contents=None), "contents must be a list, not null"),
        (changed(contents={}), "contents must be a list, not dict"),
        (changed(contents=["orders.db"]), r"contents\[0\] must be an object, not str"),
        (changed(total_size_bytes=11), "says 11 bytes in all, but its entries add up to 10"),
        (changed(total_size_bytes="10"), "total_size_bytes must be a whole number, not str"),
        (changed(encrypted="no"), "encrypted must be true or false, not str"),
        (changed(encrypted=1), "encrypted must be true or false, not int"),
        (changed(format=True), "format must be a whole number, not bool"),
        (changed(format=-1), "format is out of range"),
        (changed(warnings="none"), "warnings must be a list, not str"),
        (changed(warnings=[1]), r"warnings\[0\] must be a string, not int"),
        (changed(absent=[{"component": "a"}]), r"has no absent\[0\].reason"),
        (changed(kind="a\0b"), "kind holds characters that are not text"),
        (changed(kind="\ud800"), "kind holds characters that are not text"),
        (changed(encryption_metadata=[]), "encryption_metadata must be an object, not list"),
        (changed(encryption_metadata={"n": 1.5}), "encryption_metadata.n must be a whole number, not float"),
        (changed(encryption_metadata={"n": [{"k": "a\0"}]}), r"encryption_metadata.n\[0\].k holds characters"),
        (changed(encryption_metadata={"n": [[[[[[[[[]]]]]]]]]}), "is nested too deeply"),
        (changed_entry(size_bytes=-1), r"contents\[0\].size_bytes is out of range"),
        (changed_entry(size_bytes=2**63), r"contents\[0\].size_bytes is out of range"),
        (changed_entry(size_bytes=1.0), r"contents\[0\].size_bytes must be a whole number, not float"),
        (changed_entry(checksum_sha256="a" * 63), "checksum of orders.db is not a SHA-256"),
        (changed_entry(checksum_sha256="A" * 64), "checksum of orders.db is not a SHA-256"),
        (changed_entry(checksum_sha256=None), r"contents\[0\].checksum_sha256 must be a string, not null"),
        (changed_entry(type="program"), "type of orders.db is 'program'"),
        (changed_entry(tables={"orders": "5"}), r"contents\[0\].tables.orders must be a whole number, not str"),
        (changed_entry(newest={"orders": 5}), r"contents\[0\].newest.orders must be a string, not int"),
        (changed_entry(file="shop.conf"), "lists shop.conf twice"),
        (changed_entry(file="SHOP.conf"), "lists shop.conf twice"),
        (changed_entry(file="Manifest.JSON"), "lists Manifest.JSON twice"),
    ],
)  # fmt: skip
def test_a_manifest_that_is_wrong_is_refused_with_the_place_named(document: bytes, message: str) -> None:
    with pytest.raises(ArchiveError, match=message) as refused:
        Manifest.from_json(document)
    assert refused.value.hint


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".hidden", "-rf", "a/b", "/etc/passwd", "../a", "a\\b", "a\n", "a b", "é", "a" * 129, "C:a", "a\0"],
)
def test_a_manifest_with_a_name_that_is_not_flat_is_refused(name: str) -> None:
    with pytest.raises(ArchiveError):
        Manifest.from_json(changed_entry(file=name))


def test_the_longest_name_is_accepted() -> None:
    assert Manifest.from_json(changed_entry(file="a" * 128)).contents[0].file == "a" * 128


def test_unknown_keys_of_a_later_program_are_ignored() -> None:
    assert Manifest.from_json(changed(colour="green")) == FULL


RIGHT = {"mode": "0640", "uid": 1, "gid": 2}


@pytest.mark.parametrize(
    ("permissions", "what"),
    [
        ("0640", "must be an object"),
        ({"mode": "0640", "uid": 1}, r"no contents\[0\].permissions.gid"),
        (RIGHT | {"mode": 416}, "must be a string"),
        (RIGHT | {"mode": "640"}, "mode of orders.db is not four octal digits"),
        (RIGHT | {"mode": "0840"}, "mode of orders.db is not four octal digits"),
        (RIGHT | {"mode": "0640\n"}, "mode of orders.db is not four octal digits"),
        (RIGHT | {"uid": -1}, "out of range"),
        (RIGHT | {"gid": 2**32 - 1}, "gid of orders.db is out of range"),
        (RIGHT | {"user": ""}, "user of orders.db is not a name"),
        (RIGHT | {"group": "g" * 257}, "group of orders.db is not a name"),
        (RIGHT | {"folders": [RIGHT] * (MOST_FOLDERS + 1)}, "names 65 folders of orders.db"),
        (RIGHT | {"folders": [{}]}, r"no contents\[0\].permissions.folders\[0\].mode"),
    ],
)
def test_impossible_permissions_are_refused(permissions: object, what: str) -> None:
    with pytest.raises(ArchiveError, match=what):
        Manifest.from_json(changed_entry(permissions=permissions))


def test_permissions_in_an_archive_of_the_server_are_not_ours_and_not_read() -> None:
    document = FULL.to_dict()
    del document["format"]
    document["contents"][0]["permissions"] = "rw"
    assert Manifest.from_dict(document).contents[0].permissions is None
