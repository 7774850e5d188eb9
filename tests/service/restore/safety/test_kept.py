"""The safety archive stays in the workspace, is verified beside its upload, and compared with its destination."""

import errno
import os
import shutil
import threading
from pathlib import Path

import pytest

from backups.archive.errors import ArchiveError
from backups.errors import BackupError
from backups.models import BackupExecution, RestoreExecution
from backups.service.restore import safety
from tests.support.restores.instance_restores import restore, spoil_tacacs, tacacs_state, the_restore, tree, undo
from tests.support.site_fixtures import BackUp, Listing

pytestmark = pytest.mark.django_db


def test_without_links_the_safety_archive_is_fetched_and_verified_then(
    tacacs_root: Path, back_up: BackUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_names: object, **_folders: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    verified: list[str] = []
    real = safety.open_archive
    monkeypatch.setattr(safety, "open_archive", lambda path, scratch: verified.append(path.name) or real(path, scratch))
    before, backup = tacacs_state(tacacs_root), back_up()
    spoil_tacacs(tacacs_root)
    spoilt = tacacs_state(tacacs_root)
    monkeypatch.setattr(os, "link", no_links)
    restored = restore(backup)
    assert tacacs_state(tacacs_root) == before
    assert restored.safety_backup is not None
    assert verified == [restored.safety_backup.backup_filename]
    undo(restored)
    assert tacacs_state(tacacs_root) == spoilt


def test_without_memory_for_a_thread_the_safety_archive_is_verified_before_its_upload(
    tacacs_root: Path, back_up: BackUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(thread: threading.Thread) -> None:
        if thread.name == "verify":
            raise RuntimeError("can't start new thread")
        start(thread)

    verified: list[str] = []
    start, real = threading.Thread.start, safety.verify_members
    monkeypatch.setattr(
        safety, "verify_members", lambda *given: verified.append(threading.current_thread().name) or real(*given)
    )
    before, backup = tacacs_state(tacacs_root), back_up()
    spoil_tacacs(tacacs_root)
    monkeypatch.setattr(threading.Thread, "start", no_thread)
    assert restore(backup).status == "completed"
    assert tacacs_state(tacacs_root) == before
    assert verified == [threading.current_thread().name]


def test_a_safety_archive_whose_members_are_wrong_stops_the_restore(
    tacacs_root: Path, back_up: BackUp, workspaces: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*_arguments: object) -> None:
        raise ArchiveError("devices.db in the archive does not have the manifest's SHA-256.")

    backup = back_up()
    before = tree(tacacs_root)
    monkeypatch.setattr(safety, "verify_members", wrong)
    with pytest.raises(BackupError, match=r"^The safety backup failed: devices\.db in the archive does not have "):
        restore(backup)
    assert (tree(tacacs_root), workspaces()) == (before, [])
    assert (the_restore().status, the_restore().safety_backup) == ("failed", None)


@pytest.mark.parametrize("where", ["workspace", "destination"])
def test_a_safety_archive_that_differs_from_its_copy_stops_the_restore(
    where: str, tacacs_root: Path, back_up: BackUp, home: Path, workspaces: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = safety.fetch

    def spoiling(backup: BackupExecution, folder: Path, *, known: Path, **options: object) -> Path:
        path = known if where == "workspace" else home / "backups" / "nas" / backup.backup_path
        # of the same size, and not written in place: the two may be one file
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.unlink()
        path.write_bytes(content)
        return real(backup, folder, known=known, **options)  # type: ignore[arg-type]

    backup = back_up()
    before = tree(tacacs_root)
    monkeypatch.setattr(safety, "fetch", spoiling)
    reason = {
        "workspace": r"/safety/backup-tacacs-hq-[\d-]+-safety\.tar\.gz is not the archive that was uploaded from it\.$",
        "destination": r"at nas is not what was uploaded: its SHA-256 differs\.$",
    }
    with pytest.raises(BackupError, match=rf"^The safety backup failed: .*{reason[where]}"):
        restore(backup)
    assert (tree(tacacs_root), workspaces()) == (before, [])
    row = the_restore()
    assert (row.status, row.safety_backup, row.outcome) == ("failed", None, {})
    copy = BackupExecution.objects.get(kind="safety").copies.get()
    assert (copy.damaged_at is not None) == (where == "destination")


def test_a_rollback_takes_the_archive_in_the_workspace(
    tacacs_root: Path, back_up: BackUp, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = RestoreExecution.transition

    def losing(self: RestoreExecution, *arguments: object, **facts: object) -> bool:
        if "safety_backup" in facts:
            shutil.rmtree(home / "backups" / "nas" / "tacacs-hq" / "safety")
        if "outcome" in facts and len(facts["outcome"]) == 2:  # type: ignore[arg-type]
            raise BackupError("It stopped here.")
        return real(self, *arguments, **facts)  # type: ignore[arg-type]

    backup = back_up()
    spoil_tacacs(tacacs_root)
    spoilt = tacacs_state(tacacs_root)
    # the first name may be taken at the destination
    other = "backup-tacacs-hq-20200101-000000-safety.tar.gz"
    monkeypatch.setattr(safety, "archive_paths", lambda *_about: iter([f"tacacs-hq/safety/{other}"]))
    monkeypatch.setattr(RestoreExecution, "transition", losing)
    with pytest.raises(BackupError, match=r"^It stopped here\.$"):
        restore(backup)
    monkeypatch.undo()
    assert tacacs_state(tacacs_root) == spoilt
    assert the_restore().error_message.endswith("What it had changed was rolled back.")
