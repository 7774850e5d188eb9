"""An archive of the same service under another name: the id of the service says which one it is of."""

import errno
import hashlib
import json
import os
import shutil
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from backups.errors import BackupError, ComponentError
from backups.instances import get_instance
from backups.instances.identity import instance_of
from backups.models import BackupExecution
from backups.service.archives.verify import manifest_of_file
from backups.service.catalogue.import_file import import_archive
from backups.service.restore.dry_run import dry_run_restore
from backups.service.restore.preview.build import preview
from backups.service.restore.request import RestoreRequest, home_of
from destinations.models import BackupDestination
from tests.support.archives.crafted import SERVER_PLAIN
from tests.support.call_commands import command, refused
from tests.support.pages.admin_pages import url
from tests.support.pages.parsed import page_at
from tests.support.restores.instance_restores import change, restore, sha256, tacacs_state
from tests.support.rows import a_client
from tests.support.site_fixtures import TACACS, Declare

pytestmark = pytest.mark.django_db

OWN_ID = "instance_bdda6c97"
SET_ID = "UPDATE system_metadata SET value = '{}' WHERE key = 'instance_id'"
EXTRA = "radius.log"


def rewritten(target: Path, *, extra: bytes = b"", **metadata: str) -> Path:
    """Write the server's own archive to `target` with other `metadata`, and with one more listed file."""
    with tarfile.open(SERVER_PLAIN) as source, tarfile.open(target, "w:gz", compresslevel=1) as tar:
        for member in source.getmembers():
            if not member.isfile():
                continue
            file = source.extractfile(member)
            assert file is not None
            data = file.read()
            if member.name == "./manifest.json":
                data = _manifest(json.loads(data), extra, metadata)
            add(tar, member.name, data)
        if extra:
            add(tar, f"./{EXTRA}", extra)
    return target


def _manifest(manifest: dict[str, Any], extra: bytes, metadata: dict[str, str]) -> bytes:
    manifest["backup_metadata"] |= metadata
    if extra:
        entry = {"file": EXTRA, "size_bytes": len(extra), "checksum_sha256": hashlib.sha256(extra).hexdigest()}
        manifest["contents"].append(entry | {"type": "data"})
        manifest["total_size_bytes"] += len(extra)
    return json.dumps(manifest).encode()


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, BytesIO(data))


@pytest.fixture
def unnamed(tmp_path: Path) -> Path:
    """Return an archive that the server made while it had no name: its id stands in that place."""
    return rewritten(tmp_path / "unnamed.tar.gz", instance_name=OWN_ID)


def test_it_is_restored_and_the_names_are_noted(tacacs_root: Path, unnamed: Path) -> None:
    done = restore(unnamed, accept_unsigned=True)
    assert (done.status, done.archive_instance) == ("completed", OWN_ID)
    assert [note for note in done.warnings if OWN_ID in note and "tacacs-hq" in note]


def test_preview_and_dry_run_agree_with_the_restore(tacacs_root: Path, unnamed: Path) -> None:
    shown = preview(unnamed, "tacacs-hq", trusted=False)
    assert (shown.refusals, shown.other_instance, shown.archive_instance) == ((), False, OWN_ID)
    (note,) = [text for text in shown.warnings if OWN_ID in text]
    asked = RestoreRequest(
        source=unnamed, instance="tacacs-hq", archive_sha256=sha256(unnamed), accept_unsigned=True
    )  # fmt: skip
    assert note in dry_run_restore(asked).notes


@pytest.mark.parametrize("name", ["tacacs-lab", "tacacs-old"])
def test_one_with_another_name_and_another_id_needs_a_word(tacacs_root: Path, tmp_path: Path, name: str) -> None:
    archive = rewritten(tmp_path / "other.tar.gz", instance_name=name, instance_id="instance_00000000")
    assert preview(archive, "tacacs-hq").other_instance
    with pytest.raises(BackupError, match=f"^The archive is of instance {name}, not of tacacs-hq"):
        restore(archive, accept_unsigned=True)


def test_one_that_bears_the_name_of_another_instance_is_of_that_one(
    tacacs_root: Path, tmp_path: Path, declare: Declare
) -> None:
    # a laboratory that began as a copy of the server has its id
    lab = shutil.copytree(tacacs_root, tmp_path / "lab")
    declare(TACACS.format(root=tacacs_root) + TACACS.format(root=lab).replace("tacacs-hq", "tacacs-lab"))
    archive = rewritten(tmp_path / "lab.tar.gz", instance_name="tacacs-lab")
    before = tacacs_state(tacacs_root)
    with pytest.raises(BackupError, match=r"^The archive is of instance tacacs-lab, not of tacacs-hq"):
        restore(archive, accept_unsigned=True)
    assert tacacs_state(tacacs_root) == before
    assert instance_of(manifest_of_file(archive)) == "tacacs-lab"


def test_of_two_instances_with_its_id_neither_is_chosen(tacacs_root: Path, tmp_path: Path, declare: Declare) -> None:
    lab = shutil.copytree(tacacs_root, tmp_path / "lab")
    declare(TACACS.format(root=tacacs_root) + TACACS.format(root=lab).replace("tacacs-hq", "tacacs-lab"))
    archive = rewritten(tmp_path / "unnamed.tar.gz", instance_name=OWN_ID)
    assert instance_of(manifest_of_file(archive)) == OWN_ID


def test_an_id_that_cannot_be_read_proves_nothing_and_is_named(tacacs_root: Path, unnamed: Path) -> None:
    (tacacs_root / "data" / "config_overrides.db").write_bytes(b"not a database" * 100)
    with pytest.raises(BackupError, match=r"The id of tacacs-hq cannot be read: ") as refused:
        restore(unnamed, accept_unsigned=True)
    assert refused.value.option == "--other-instance"
    assert restore(unnamed, accept_unsigned=True, allow_other_instance=True).status == "completed"


def test_an_empty_host_has_no_id(tacacs_root: Path) -> None:
    (tacacs_root / "data" / "config_overrides.db").unlink()
    assert get_instance("tacacs-hq").service.own_id(1) == ""


def test_an_id_in_a_folder_that_is_closed_to_this_user_is_an_error_of_the_component(
    tacacs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.stat

    def stat(path: Path, **options: Any) -> os.stat_result:
        if path.name == "config_overrides.db":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, **options)

    monkeypatch.setattr(Path, "stat", stat)
    with pytest.raises(ComponentError, match=r"config_overrides\.db cannot be read: Permission denied"):
        get_instance("tacacs-hq").service.own_id(1)


def test_the_archive_of_another_installation_of_that_name_is_noted(tacacs_root: Path, tmp_path: Path) -> None:
    archive = rewritten(tmp_path / "before.tar.gz", instance_id="instance_00000000")
    (note,) = [text for text in preview(archive, "tacacs-hq").warnings if "another installation" in text]
    assert "instance_00000000" in note and OWN_ID in note
    assert note in restore(archive, accept_unsigned=True).warnings


def test_an_imported_one_counts_for_its_instance(
    tacacs_root: Path, unnamed: Path, destination: BackupDestination
) -> None:
    backup = import_archive(unnamed, destination, by="tests")
    assert (backup.instance, home_of(backup)) == ("tacacs-hq", "tacacs-hq")
    page = page_at(a_client("view_backupexecution", "restore_backup"), url(backup, "restore"))
    assert not page.all("input", name="allow_other_instance")


def test_a_row_under_the_old_name_is_restored_into_the_instance_with_its_id(
    tacacs_root: Path, unnamed: Path, destination: BackupDestination
) -> None:
    backup = import_archive(unnamed, destination, by="tests")
    BackupExecution.objects.update(instance=OWN_ID)
    change(tacacs_root / "data" / "devices.db", "DELETE FROM devices")
    options = ("--confirm", "--accept-unsigned", "--json")
    assert "--instance tacacs-hq" in refused("restore", backup.pk, *options)
    page = page_at(a_client("view_backupexecution", "restore_backup"), url(backup, "restore"))
    assert page.field("into").text == "tacacs-hq"
    done = command("restore", backup.pk, "--instance=tacacs-hq", *options)
    assert (done.code, done.data["instance"], done.data["other_instance"]) == (0, "tacacs-hq", False)


def test_a_listed_file_of_no_component_is_said_in_preview_and_result(tacacs_root: Path, tmp_path: Path) -> None:
    archive = rewritten(tmp_path / "more.tar.gz", extra=b"of another version of the server")
    (note,) = [text for text in preview(archive, "tacacs-hq").warnings if EXTRA in text]
    done = restore(archive, accept_unsigned=True)
    assert note in done.warnings
    assert not list(tacacs_root.rglob(EXTRA))
    # somebody who asked for one component did not ask for that file
    assert note not in restore(archive, accept_unsigned=True, components=["devices"]).warnings


def test_the_command_prints_what_is_not_restored(tacacs_root: Path, tmp_path: Path) -> None:
    archive = rewritten(tmp_path / "more.tar.gz", extra=b"of another version of the server")
    shown = command("restore", "--file", archive, "--instance", "tacacs-hq")
    assert EXTRA in shown.out
    dry = command("restore", "--file", archive, "--instance", "tacacs-hq", "--dry-run", "--accept-unsigned")
    assert (dry.code, dry.out.count(EXTRA)) == (0, 1)
