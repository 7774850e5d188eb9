"""What a restore would meet is said by the backup, by `check`, the preview, the dry run and the drill, in one voice."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from backups.archive.manifest.document import Manifest
from backups.checks.instances.described import check_restorable
from backups.errors import Untouched
from backups.models import BackupExecution
from backups.service.catalogue.import_file import import_archive
from backups.service.drill.run import drill, verify_archive
from backups.service.restore.dry_run import dry_run_restore
from backups.service.restore.preview.build import preview
from backups.service.restore.request import RestoreRequest
from destinations.lib.operator_error import OperatorError
from destinations.models import BackupDestination
from tests.service.archives.test_verify import members_of, replaced
from tests.support.archives.stored import file_of
from tests.support.file_systems import bound, remount_read_only, small_disk
from tests.support.restores.component_restores import restore
from tests.support.restores.instance_restores import sha256, tree
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db(transaction=True)


def dry_run(source: BackupExecution | Path, **options: object) -> None:
    digest = sha256(source) if isinstance(source, Path) else source.archive_sha256
    dry_run_restore(RestoreRequest(source=source, instance="shop", archive_sha256=digest, **options))  # type: ignore[arg-type]


def test_a_mount_that_cannot_be_written_is_said_everywhere(small_shop: Path, back_up: BackUp) -> None:
    uploads = small_shop / "uploads"
    (uploads / "volume").mkdir()
    with small_disk(uploads / "volume", megabytes=1):
        (uploads / "volume" / "file").write_text("file")
        good = back_up("shop")
        assert good.warnings == []
        assert check_restorable(None) == []
        remount_read_only(uploads / "volume")
        before = tree(uploads)
        reason = f"{uploads}/volume is on a file system that is mounted read-only"
        warned = back_up("shop")
        assert (warned.status, len(warned.warnings)) == ("completed", 1)
        assert reason in warned.warnings[0]
        (checked,) = check_restorable(None)
        assert (checked.id, reason in checked.msg) == ("backups.W051", True)
        (refusal,) = preview(warned, "shop").refusals
        assert reason in refusal
        assert any(reason in warning for warning in drill(good, by="tests").warnings)
        for attempt in (dry_run, restore):
            with pytest.raises(Untouched, match="mounted read-only"):
                attempt(warned)
        assert tree(uploads) == before


def test_what_comes_back_in_place_is_refused_by_none_of_them(small_shop: Path, back_up: BackUp, tmp_path: Path) -> None:
    uploads = small_shop / "uploads"
    (tmp_path / "config").write_text("mounted")
    (uploads / "config").touch()
    with small_disk(uploads, megabytes=4):
        (uploads / "config").touch()
        with bound(tmp_path / "config", uploads / "config"):
            backup, before = back_up("shop"), tree(uploads)
            (uploads / "config").write_text("changed, and longer")
            (uploads / "stray").touch()
            assert preview(backup, "shop").refusals == ()
            dry_run(backup)
            assert drill(backup, by="tests").verdict == "passed"
            assert restore(backup).status == "completed"
            assert tree(uploads) == before
    assert (tmp_path / "config").read_text() == "mounted"


def test_the_preview_knows_from_the_list_what_does_not_fit_a_mount(small_shop: Path, back_up: BackUp) -> None:
    backup = back_up("shop")
    photo = small_shop / "uploads" / "photo"
    photo.unlink()
    photo.mkdir()
    with small_disk(photo, megabytes=1):
        (refusal,) = preview(backup, "shop").refusals
        assert f"{photo} is a mount point" in refusal
        with pytest.raises(Untouched, match="is a mount point") as refused:
            dry_run(backup)
        assert refused.value.text == refusal


def test_a_database_on_a_read_only_file_system_is_foreseen(small_shop: Path, back_up: BackUp) -> None:
    backup = back_up("shop")
    orders = small_shop / "orders.db"
    content = orders.read_bytes()
    orders.unlink()
    (small_shop / "disk").mkdir()
    with small_disk(small_shop / "disk", megabytes=4):
        (small_shop / "disk" / "orders.db").write_bytes(content)
        orders.symlink_to("disk/orders.db")
        remount_read_only(small_shop / "disk")
        with pytest.raises(Untouched, match="mounted read-only"):
            dry_run(backup)
        with pytest.raises(Untouched, match="mounted read-only"):
            restore(backup)


def bad_tree(name: str, type_: bytes = tarfile.REGTYPE, **fields: object) -> bytes:
    info = tarfile.TarInfo(name)
    info.type = type_
    for field, value in fields.items():
        setattr(info, field, value)
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
        tar.addfile(info)
    return file.getvalue()


BAD = {
    "a way out": (bad_tree("../evil"), {"files": 1, "file_bytes": 0}),
    "a link to anything": (bad_tree("b", tarfile.LNKTYPE, linkname="/etc/passwd"), {"files": 1, "file_bytes": 0}),
    "not sorted": (bad_tree("a/b"), {"files": 1, "file_bytes": 0}),
    "other files than the manifest counts": (bad_tree("a"), {"files": 7, "file_bytes": 0}),
    "no tar": (b"junk" * 512, {"files": 1, "file_bytes": 0}),
    "cut off": (bad_tree("a")[:512], {"files": 1, "file_bytes": 0}),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_tree_is_refused_by_verification_import_dry_run_and_restore_alike(
    fault: str, small_shop: Path, back_up: BackUp, destination: BackupDestination, tmp_path: Path
) -> None:
    content, facts = BAD[fault]
    forged = replaced(file_of(back_up("shop")), tmp_path / "forged.tar.gz", "uploads.tar", content, **facts)
    before = tree(small_shop / "uploads")
    attempts: list[Callable[[], object]] = [
        lambda: verify_archive(forged),
        lambda: import_archive(forged, destination, by="tests"),
        lambda: dry_run(forged, accept_unsigned=True),
        lambda: restore(forged, instance="shop", accept_unsigned=True),
    ]
    reasons = []
    for attempt in attempts:
        with pytest.raises(OperatorError) as refused:
            attempt()
        assert refused.value.message.startswith("uploads.tar ")
        reasons.append(refused.value.message)
    assert len(set(reasons)) == 1
    assert tree(small_shop / "uploads") == before
    assert BackupExecution.objects.count() == 1


def test_a_tree_whose_bytes_are_damaged_is_damaged_and_not_untrusted(
    small_shop: Path, back_up: BackUp, tmp_path: Path
) -> None:
    archive = file_of(back_up("shop"))
    members = members_of(archive)
    forged = replaced(archive, tmp_path / "forged.tar.gz", "uploads.tar", members["uploads.tar"])
    spoilt = members_of(forged)
    spoilt["uploads.tar"] = b"\xff" * len(spoilt["uploads.tar"])
    with tarfile.open(tmp_path / "spoilt.tar.gz", "w:gz") as tar:
        for name, data in spoilt.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    with pytest.raises(Exception, match=r"uploads\.tar in the archive does not have the manifest's SHA-256"):
        verify_archive(tmp_path / "spoilt.tar.gz")


def test_a_manifest_that_is_not_trusted_trusts_no_entry_even_without_permissions(
    small_shop: Path, back_up: BackUp
) -> None:
    manifest = Manifest.from_dict(back_up("shop").manifest_json or {})
    assert all(entry.trusted for entry in manifest.contents)
    assert not any(entry.trusted for entry in manifest.as_untrusted().contents)


def test_an_unsigned_archive_is_drilled_and_restored_without_privileges(
    small_shop: Path, back_up: BackUp, destination: BackupDestination, tmp_path: Path
) -> None:
    program = small_shop / "uploads" / "program"
    program.touch()
    program.chmod(0o4755)
    signed = back_up("shop")
    members = members_of(file_of(signed))
    unsigned = replaced(file_of(signed), tmp_path / "copy.tar.gz", "uploads.tar", members["uploads.tar"])
    imported = import_archive(unsigned, destination, by="tests")
    run = drill(imported, by="tests")
    assert run.verdict == "passed"
    assert any("came back without set-user-id" in warning for warning in run.warnings)
    done = restore(imported, accept_unsigned=True)
    assert any("came back without set-user-id" in warning for warning in done.warnings)
    assert program.stat().st_mode & 0o7777 == 0o755
    restore(signed)
    assert program.stat().st_mode & 0o7777 == 0o4755
