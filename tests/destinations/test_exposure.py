"""A share that gives archives other modes than 0600: shown on the page of its destination and by its test."""

import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from backups.models import BackupExecution
from destinations.models import BackupDestination
from tests.support.call_commands import command
from tests.support.file_systems import silent_mount
from tests.support.pages.parsed import page_at
from tests.support.programs import missing, require
from tests.support.rows import a_destination, an_execution

pytestmark = pytest.mark.django_db
PATH = "shop/manual/backup.tar.gz"


@pytest.fixture
def root(tmp_path: Path, settings: Settings) -> Path:
    settings.BACKUP_ROOT = tmp_path / "root"
    settings.BACKUP_ROOT.mkdir(mode=0o700)
    return settings.BACKUP_ROOT


@pytest.fixture
def ntfs(root: Path, tmp_path: Path) -> Iterator[Path]:
    """BACKUP_ROOT on NTFS through FUSE, mounted without permissions."""
    image = tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(8 << 20)
    subprocess.run([require("mkfs.ntfs"), "-F", "-Q", "-q", str(image)], check=True, capture_output=True)
    mounted = subprocess.run([require("ntfs-3g"), str(image), str(root)], capture_output=True, check=False)
    if mounted.returncode:
        missing("nothing can be mounted through FUSE here")
    yield root
    subprocess.run([require("umount"), str(root)], check=True)


def stored(root: Path) -> BackupDestination:
    file = root / "nas" / PATH
    file.parent.mkdir(mode=0o700, parents=True)
    file.touch(mode=0o600)
    destination = a_destination()
    an_execution(destination=destination, backup_path=PATH)
    return destination


def shown(client: Client, destination: BackupDestination) -> list[str]:
    page = page_at(client, f"/admin/destinations/backupdestination/{destination.pk}/change/")
    return [found.text for found in page.all(data_notice="warning")]


def test_the_page_and_the_test_show_the_modes_of_the_share(ntfs: Path, admin_client: Client) -> None:
    destination = stored(ntfs)
    mode = f"{stat.S_IMODE((ntfs / 'nas' / PATH).stat().st_mode):04o}"
    (text,) = shown(admin_client, destination)
    assert mode in text
    assert "umask=077" in text
    done = command("testdestination", "nas", "--json").data
    assert [step["detail"] for step in done["steps"] if step["name"] == "modes"] == [text.removeprefix("Warning: ")]
    # said once
    assert done["warnings"] == []


def test_nothing_is_shown_where_files_have_their_modes_and_nothing_is_remembered(
    root: Path, admin_client: Client
) -> None:
    destination = stored(root)
    assert shown(admin_client, destination) == []
    assert "modes" not in {step["name"] for step in command("testdestination", "nas", "--json").data["steps"]}
    file = root / "nas" / PATH
    file.chmod(0o644)
    assert len(shown(admin_client, destination)) == 1
    file.chmod(0o600)
    assert shown(admin_client, destination) == []


def test_an_archive_that_is_missing_or_was_copied_there_by_hand_says_nothing(root: Path, admin_client: Client) -> None:
    destination = stored(root)
    (root / "nas" / PATH).chmod(0o644)
    BackupExecution.objects.update(adopted=True)
    assert shown(admin_client, destination) == []
    BackupExecution.objects.update(adopted=False)
    (root / "nas" / PATH).unlink()
    assert shown(admin_client, destination) == []


def test_a_share_that_does_not_answer_holds_up_no_page(
    root: Path, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backups.lib.in_time.PATIENCE", 0.3)
    destination = stored(root)
    with silent_mount(root / "nas"):
        began = time.monotonic()
        (text,) = shown(admin_client, destination)
        assert "destination nas" in text
        assert time.monotonic() - began < 20
