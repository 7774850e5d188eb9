"""An archive that is anything but whole, known and confirmed leaves the live instance byte by byte as it is."""

import gzip
import hashlib
import json
import random
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from backups.archive.errors import ArchiveError
from backups.errors import BackupError
from backups.models import BackupExecution
from backups.service.restore.run import run_restore
from tests.support.file_systems import small_disk
from tests.support.restores.instance_restores import (
    Tree,
    change,
    queue,
    restore,
    sha256,
    tacacs_state,
    the_restore,
    tree,
)
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db
Listing = Callable[[], list[str]]
Manifest = dict[str, Any]


class Archive:
    """A backup as a file that tests take apart and put together again."""

    def __init__(self, source: Path, target: Path) -> None:
        self.path = target
        with tarfile.open(source) as tar:
            self.members = [(member.name, self._content(tar, member)) for member in tar]
        self.manifest: Manifest = json.loads(dict(self.members)["manifest.json"])

    @staticmethod
    def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
        file = tar.extractfile(member)
        assert file is not None
        return file.read()

    def write(self) -> Path:
        with tarfile.open(self.path, "w:gz", compresslevel=1) as tar:
            for name, content in self.members:
                member = tarfile.TarInfo(name)
                data = json.dumps(self.manifest).encode() if name == "manifest.json" else content
                member.size = len(data)
                tar.addfile(member, BytesIO(data))
        return self.path

    def entry(self, file: str) -> Manifest:
        found: Manifest = next(entry for entry in self.manifest["contents"] if entry["file"] == file)
        return found

    def replace(self, file: str, content: bytes) -> None:
        """Put other content in, and let the manifest say so: only a look inside tells."""
        self.members = [(name, content if name == file else data) for name, data in self.members]
        entry = self.entry(file)
        self.manifest["total_size_bytes"] += len(content) - entry["size_bytes"]
        entry |= {"size_bytes": len(content), "checksum_sha256": hashlib.sha256(content).hexdigest()}


@pytest.fixture
def backup(tacacs_root: Path, back_up: BackUp) -> BackupExecution:
    return back_up()


@pytest.fixture
def archive(backup: BackupExecution, home: Path, tmp_path: Path) -> Archive:
    return Archive(home / "backups" / "nas" / backup.backup_path, tmp_path / "archive.tar.gz")


@pytest.fixture
def untouched(tacacs_root: Path, backup: BackupExecution, workspaces: Listing) -> Iterator[None]:
    """The live instance is after the test what it was before it, byte by byte."""
    change(tacacs_root / "data" / "devices.db", "DELETE FROM devices WHERE id > 5")
    before = without_logs(tree(tacacs_root))
    yield
    assert without_logs(tree(tacacs_root)) == before
    assert workspaces() == []
    assert not BackupExecution.objects.filter(kind="safety").exists()


def without_logs(found: Tree) -> Tree:
    """A database in WAL mode that is only read gets an empty log beside it."""
    return {name: about for name, about in found.items() if not name.endswith(("-wal", "-shm"))}


def refused(path: Path, **options: object) -> str:
    with pytest.raises((BackupError, ArchiveError)) as error:
        restore(path, **{"accept_unsigned": True, **options})
    row = the_restore()
    assert row.status == "failed"
    assert row.error_message.startswith(error.value.message)
    assert "nothing was changed" in row.error_message.lower()
    assert row.outcome == {}
    return error.value.message


@pytest.mark.usefixtures("untouched")
def test_an_archive_cut_at_any_place_is_refused(archive: Archive) -> None:
    whole = archive.write().read_bytes()
    chance = random.Random(5)
    for size in [0, 1, 10, 200, len(whole) - 1, *(chance.randrange(len(whole)) for _ in range(5))]:
        archive.path.write_bytes(whole[:size])
        assert "archive" in refused(archive.path).lower()


@pytest.mark.usefixtures("untouched")
def test_an_archive_with_a_flipped_bit_is_refused(archive: Archive) -> None:
    whole = archive.write().read_bytes()
    chance = random.Random(6)
    for _ in range(10):
        spoilt = bytearray(whole)
        while is_the_same(spoilt, whole):
            spoilt[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        archive.path.write_bytes(spoilt)
        refused(archive.path)


def is_the_same(spoilt: bytes, whole: bytes) -> bool:
    """True where the bits that differ mean nothing to gzip: its name and time, the padding of its last block."""
    try:
        return gzip.decompress(spoilt) == gzip.decompress(whole)
    except (OSError, EOFError, zlib.error):
        return False


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


def bad_export(archive: Archive) -> None:
    archive.replace("config_export.json", b"[1, 2]")


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


@pytest.mark.usefixtures("untouched")
def test_an_archive_of_another_instance_needs_a_word(archive: Archive) -> None:
    archive.manifest["backup_metadata"] |= {"instance_name": "tacacs-lab", "instance_id": "instance_1"}
    assert refused(archive.write()) == "The archive is of instance tacacs-lab, not of tacacs-hq."


def test_an_archive_of_another_instance_is_restored_when_that_was_said(archive: Archive, tacacs_root: Path) -> None:
    before = tacacs_state(tacacs_root)
    archive.manifest["backup_metadata"] |= {"instance_name": "tacacs-lab", "instance_id": "instance_1"}
    change(tacacs_root / "data" / "devices.db", "DELETE FROM devices")
    restored = restore(archive.write(), accept_unsigned=True, allow_other_instance=True)
    assert tacacs_state(tacacs_root) == before
    assert restored.archive_instance == "tacacs-lab"


@pytest.mark.usefixtures("untouched")
def test_a_file_that_was_changed_after_it_was_confirmed_is_refused(archive: Archive) -> None:
    queued = queue(archive.write(), accept_unsigned=True)
    archive.manifest["backup_metadata"]["triggered_by"] = "mallory"
    archive.write()
    with pytest.raises(
        ArchiveError, match=r"archive\.tar\.gz is not the file that was confirmed: its SHA-256 differs\.$"
    ):
        run_restore(queued.pk)


@pytest.mark.usefixtures("untouched")
def test_another_archive_at_the_place_of_the_confirmed_one_is_refused(
    backup: BackupExecution, archive: Archive, home: Path
) -> None:
    archive.manifest["backup_metadata"]["triggered_by"] = "mallory"
    queued = queue(backup)
    shutil.copyfile(archive.write(), home / "backups" / "nas" / backup.backup_path)
    with pytest.raises(ArchiveError, match=r"is not what was uploaded: its SHA-256 differs\.?$"):
        run_restore(queued.pk)
    # somebody corrects the record too: it still is not what was confirmed
    queued = queue(backup)
    BackupExecution.objects.filter(pk=backup.pk).update(archive_sha256=sha256(archive.path))
    with pytest.raises(ArchiveError, match=r"is not the archive that was confirmed\.$"):
        run_restore(queued.pk)


@pytest.mark.usefixtures("untouched")
def test_a_preview_of_another_archive_confirms_nothing(backup: BackupExecution) -> None:
    with pytest.raises(BackupError, match=r"is not the archive that was shown\.$"):
        queue(backup, archive_sha256="0" * 64)


@pytest.mark.usefixtures("untouched")
def test_a_component_that_does_not_exist_is_refused_with_those_that_do(backup: BackupExecution) -> None:
    with pytest.raises(BackupError, match=r"^There is no component 'device' to restore\.$") as unknown:
        restore(backup, components=["device"])
    assert unknown.value.hint == (
        "Valid: config, devices, users, accounting, metrics, audit, config.file, config.overrides, config.section:NAME."
    )


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("megabytes", [0.05, 0.3, 0.9, 1.6, 2.2])
def test_a_workspace_that_is_too_small_is_named(
    megabytes: float, backup: BackupExecution, settings: Settings, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "small", megabytes=megabytes) as small:
        settings.BACKUP_WORKSPACE_ROOT = small
        with pytest.raises(BackupError, match=r"(bytes free, this needs about|No space left on device|no space left)"):
            restore(backup)
        assert list(small.iterdir()) == []
        BackupExecution.objects.filter(kind="safety").delete()


def test_a_database_of_another_version_of_the_service_comes_back_as_it_is_with_a_note(
    backup: BackupExecution, tacacs_root: Path
) -> None:
    before = tacacs_state(tacacs_root)
    change(
        tacacs_root / "data" / "devices.db",
        "ALTER TABLE devices ADD COLUMN rack TEXT",
        "ALTER TABLE realms ADD COLUMN colour TEXT",
        "CREATE TABLE racks(id INTEGER PRIMARY KEY)",
    )
    restored = restore(backup)
    assert restored.warnings == [
        "devices: the backup is of another version of the service: it does not have racks, devices.rack, realms.colour,"
        " which the live database has"
    ]
    assert tacacs_state(tacacs_root) == before


def test_components_that_only_the_archive_has_are_named(
    store: Path, back_up: BackUp, home: Path, declare: Callable[[str], None]
) -> None:
    backup = back_up("store")
    text = (home / "instances.toml").read_text()
    declare(text[: text.index("[store.components.settings]")])
    restored = restore(backup)
    assert restored.status == "completed"
    assert restored.warnings == ["The archive also holds settings, which instance store does not have."]
