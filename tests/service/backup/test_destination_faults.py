"""What goes wrong where a backup goes and where it is made: places full, read-only, gone. Nothing partial stays."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.errors import BackupError
from backups.models import BackupExecution
from backups.service.backup import kind as backup_service
from destinations.backends.local import destination as local
from destinations.exceptions import DestinationError, DestinationFull, DestinationUnavailable
from tests.support.databases.sqlite_files import make_database
from tests.support.file_systems import remount_read_only, small_disk
from tests.support.site_fixtures import BackUp, Listing, OnStage, Refused

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_full_destination_fails_the_backup_and_keeps_nothing(
    small_shop: Path, home: Path, refused: Refused, archives: Listing
) -> None:
    make_database(small_shop / "more.db", rows=3000, blob_bytes=900)
    (small_shop / "more.db").replace(small_shop / "orders.db")
    with small_disk(home / "backups", megabytes=1):
        message = refused(DestinationFull).error_message
        assert f"{home}/backups/nas/shop/manual has " in message
        assert archives() == []


def test_a_destination_that_fills_up_under_way_keeps_nothing(
    small_shop: Path, home: Path, refused: Refused, archives: Listing, on_stage: OnStage,
    settings: Settings, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    with small_disk(home / "backups", megabytes=1):
        # somebody else takes the room after it was looked at: an upload finds out in the middle
        monkeypatch.setattr(local, "check_free_space", fill(home / "backups" / "theirs"))
        message = refused(DestinationFull).error_message
        assert "no space is left" in message
        assert archives() == ["theirs"]


def fill(path: Path) -> Callable[[str, int, int | None], None]:
    def take(_where: str, size: int, free: int | None) -> None:
        assert free is not None
        path.write_bytes(bytes(free - size // 2))

    return take


def test_a_read_only_destination_fails_the_backup(
    small_shop: Path, home: Path, refused: Refused, archives: Listing
) -> None:
    with small_disk(home / "backups", megabytes=4):
        remount_read_only(home / "backups")
        assert "the file system is read-only" in refused(DestinationUnavailable).error_message
        assert archives() == []


def test_a_destination_that_is_gone_fails_the_backup(small_shop: Path, home: Path, refused: Refused) -> None:
    (home / "backups").rmdir()
    assert refused(DestinationUnavailable).error_message == (
        f"Cannot open the folder {home}/backups: it does not exist."
    )


def test_an_unmounted_destination_is_not_taken_for_a_fresh_one(
    small_shop: Path, home: Path, back_up: BackUp, refused: Refused
) -> None:
    back_up("shop")
    (home / "backups" / "nas").rename(home / "backups" / "unmounted")
    assert "although archives were stored in it" in refused(DestinationError).error_message
    assert not (home / "backups" / "nas").exists()


def test_a_workspace_too_small_is_refused_before_anything_is_copied(
    small_shop: Path, home: Path, refused: Refused, archives: Listing
) -> None:
    with small_disk(home / "workspaces", megabytes=1):
        execution = refused(BackupError)
        assert f"The workspace {home}/workspaces has 1,048,576 bytes free, this needs about" in execution.error_message
        assert [stage for stage, _ in execution.timeline] == ["preparing", "failed"]
        assert archives() == []


@pytest.mark.parametrize(
    ("megabytes", "stages", "message"),
    [
        (0.2, ("exporting",), "No space left while copying {small_shop}/orders.db."),
        # by the compressed copy or by the component that is exported beside it
        (0.6, ("exporting", "checking"), "No space left on device"),
    ],
)
def test_a_workspace_that_fills_up_fails_the_backup_and_is_emptied(
    small_shop: Path, home: Path, refused: Refused, archives: Listing, monkeypatch: pytest.MonkeyPatch,
    megabytes: float, stages: tuple[str, ...], message: str,
) -> None:  # fmt: skip
    # others may take the room between the estimate and the copy: here it was never there
    monkeypatch.setattr(backup_service, "SPARE_BYTES", -(1 << 40))
    with small_disk(home / "workspaces", megabytes=megabytes):
        execution = refused(BackupError)
        assert message.format(small_shop=small_shop) in execution.error_message
        assert f"Free space on the disk that is mounted at {home}/workspaces" in execution.error_hint
        assert execution.timeline[-2][0] in stages
        assert archives() == []


def test_a_workspace_that_cannot_be_made_leaves_the_backup_queued(
    small_shop: Path, home: Path, back_up: BackUp, settings: Settings
) -> None:
    (home / "file").touch()
    settings.BACKUP_WORKSPACE_ROOT = home / "file" / "workspaces"
    with pytest.raises(BackupError, match=r"^The workspace .* cannot be created: Not a directory\.$"):
        back_up("shop")
    assert BackupExecution.objects.get().status == "queued"
