"""The site on a disk without space: each process ends with one sentence that names the disk, and leaves nothing."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from backupsite import paths
from tests.destinations.test_database_errors import fill
from tests.support.file_systems import small_disk
from tests.support.sites.command_site import Ended, Site


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", megabytes=4) as disk:
        yield disk


def require_one_line(ended: Ended, disk: Path) -> None:
    assert ended.code == 1
    last = ended.err.splitlines()[-1]
    assert last.startswith("Error: ") and f"mounted at {disk}: it has 0 B free" in last
    assert "Traceback" not in ended.out + ended.err
    assert "migrate' first" not in last


def test_a_first_start_on_a_full_disk_leaves_no_draft_of_a_key(disk: Path) -> None:
    site = Site(disk)
    site.home.mkdir(mode=0o700)
    fill(disk)
    require_one_line(site.run("migrate"), disk)
    assert list(site.home.iterdir()) == []


def test_commands_of_a_site_whose_disk_is_full_name_the_disk(disk: Path, site_template: Site) -> None:
    shutil.copytree(site_template.home, disk / "home", ignore=shutil.ignore_patterns("static", "*.log"))
    site = Site(disk)
    fill(disk)
    for command in (["listbackups"], ["tick"], ["migrate"]):
        require_one_line(site.run(*command), disk)
    assert not list((disk / "home" / "workspaces").glob("*.lock"))


def test_a_file_system_without_hard_links_holds_the_keys_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(link: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted", str(target), None, str(link))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert paths.secret_key(tmp_path) == paths.secret_key(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == [paths.SECRET_KEY]


def test_a_key_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / paths.SECRET_KEY).mkdir()
    with pytest.raises(ImproperlyConfigured, match=paths.SECRET_KEY):
        paths.secret_key(tmp_path)
    with pytest.raises(ImproperlyConfigured, match="cannot be made"):
        paths.private_directory(Path("/dev/null/home"))
