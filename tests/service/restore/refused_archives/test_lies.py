"""An archive whose manifest and members do not fit is refused."""

from collections.abc import Callable

import pytest

from tests.support.archives.rewritten import Archive, refused

pytestmark = pytest.mark.django_db


def forget(archive: Archive) -> None:
    archive.members = [member for member in archive.members if member[0] != "devices.db"]


def add(archive: Archive) -> None:
    archive.members.append(("extra.db", b"x"))


def rename(archive: Archive) -> None:
    archive.members = [("device.db" if name == "devices.db" else name, data) for name, data in archive.members]


def repeat(archive: Archive) -> None:
    archive.members.append(next(member for member in archive.members if member[0] == "devices.db"))


def list_twice(archive: Archive) -> None:
    archive.manifest["contents"].append(archive.entry("devices.db"))
    archive.manifest["total_size_bytes"] += archive.entry("devices.db")["size_bytes"]


def newer(archive: Archive) -> None:
    archive.manifest["format"] = 99


def other_content(archive: Archive) -> None:
    archive.members = [(name, b"y" * len(data) if name == "devices.db" else data) for name, data in archive.members]


def not_json(archive: Archive) -> None:
    archive.manifest = "nonsense"  # type: ignore[assignment]


def no_database(archive: Archive) -> None:
    archive.replace("devices.db", b"garbage" * 1000)


def corrupt_database(archive: Archive) -> None:
    content = bytearray(dict(archive.members)["devices.db"])
    content[4096 * 3 : 4096 * 6] = bytes(4096 * 3)
    archive.replace("devices.db", bytes(content))


def other_rows(archive: Archive) -> None:
    archive.entry("devices.db")["tables"]["devices"] += 1


def other_kind(archive: Archive) -> None:
    archive.entry("devices.db")["component"] = "users"


def bad_configuration(archive: Archive) -> None:
    archive.replace("tacacs.conf", b"port = 49\n[server")


def binary_configuration(archive: Archive) -> None:
    archive.replace("tacacs.conf", b"[server]\nhost=\xff\xfe\n")


def invalid_configuration(archive: Archive) -> None:
    archive.replace("tacacs.conf", dict(archive.members)["tacacs.conf"].replace(b"port = 49\n", b"port = 99999\n"))


def outside(archive: Archive) -> None:
    conf = dict(archive.members)["tacacs.conf"]
    archive.replace("tacacs.conf", conf.replace(b"database = data/devices.db", b"database = ../../evil.db"))


def no_overrides_table(archive: Archive) -> None:
    archive.replace("config_overrides.db", dict(archive.members)["devices.db"])
    for key in ("tables", "records", "newest"):
        archive.entry("config_overrides.db").pop(key, None)


LIES: dict[Callable[[Archive], None], str] = {
    forget: "devices.db is listed in the manifest but is not in the archive.",
    add: "extra.db is in the archive but is not listed in the manifest.",
    rename: "device.db is in the archive but is not listed in the manifest.",
    repeat: "The archive holds 'devices.db' twice.",
    list_twice: "The manifest lists devices.db twice.",
    newer: "This archive has format version 99; this program reads up to version 1.",
    other_content: "devices.db in the archive does not have the manifest's SHA-256.",
    not_json: "The manifest's top level must be an object, not str.",
    no_database: "devices.db is not a SQLite database.",
    corrupt_database: "devices.db is corrupt: ",
    other_rows: "devices.db does not hold the rows that the manifest counts: devices",
    other_kind: "The archive holds users as another kind of component than the instance has.",
    bad_configuration: "The tacacs.conf in the archive is not a configuration file: line 1: a key before the first",
    binary_configuration: "The tacacs.conf in the archive is not UTF-8 text",
    invalid_configuration: "The configuration would not be valid: [server] port is not between 1 and 65535.",
    outside: "[devices] database lies outside the root",
    no_overrides_table: "The config_overrides.db in the archive holds no readable overrides: ",
}


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_an_archive_that_lies_is_refused_in_a_sentence_that_names_it(
    lie: Callable[[Archive], None], archive: Archive
) -> None:
    lie(archive)
    assert refused(archive.write()).startswith(LIES[lie])
