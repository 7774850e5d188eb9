"""A local destination never leaves BACKUP_ROOT, neither by its option nor by links planted later."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from destinations.backends import Destination, create_destination
from destinations.exceptions import DestinationConfigError, DestinationError, DestinationUnavailable, NameTaken
from tests.destinations.conftest import files_below, put

PATH = "tacacs-hq/manual/backup.tar.gz"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    (folder / "tacacs-hq/manual").mkdir(parents=True)
    (folder / PATH).write_bytes(b"precious")
    return folder


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../outside",
        "nas/../../outside",
        "nas/..",
        "/",
        "/etc",
        "/tmp/../etc",
        ".",
        "./",
        "~/backups",
        "nas/.hidden",
        "nas/with space",
        "nul\0",
        "line\nbreak",
        "a/b/c/d/e/f/g/h/i",
    ],
)
def test_an_option_outside_backup_root_is_refused(backup_root: Path, path: str) -> None:
    with pytest.raises(DestinationConfigError) as caught:
        create_destination("local", {"path": path})
    assert caught.value.option == "path"
    assert caught.value.hint


def test_a_folder_beside_backup_root_with_the_same_beginning_is_refused(backup_root: Path) -> None:
    with pytest.raises(DestinationConfigError, match="outside BACKUP_ROOT"):
        create_destination("local", {"path": f"{backup_root}-evil"})


def test_backup_root_itself_is_refused(backup_root: Path) -> None:
    with pytest.raises(DestinationConfigError, match="cannot be used"):
        create_destination("local", {"path": str(backup_root)})


def test_an_absolute_path_inside_is_the_same_as_a_relative_one(backup_root: Path) -> None:
    inside = create_destination("local", {"path": f"{backup_root}/mounts//nas/"})
    assert inside.options == {"path": "mounts/nas"}
    assert inside.location() == f"{backup_root}/mounts/nas"


def test_backup_root_may_be_a_link_of_the_deployer(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    settings.BACKUP_ROOT = tmp_path / "link"
    for path in (tmp_path / "link/nas", tmp_path / "disk/nas"):
        assert create_destination("local", {"path": str(path)}).options == {"path": "nas"}
    put(create_destination("local", {"path": "nas"}), PATH, b"x")
    assert files_below(tmp_path / "disk") == [f"nas/{PATH}"]


USES: dict[str, Callable[[Destination], object]] = {
    "put": lambda destination: put(destination, "tacacs-hq/manual/new.tar.gz", b"x"),
    "get": lambda destination: destination.get(PATH, io.BytesIO()),
    "stat": lambda destination: destination.stat(PATH),
    "delete": lambda destination: destination.delete(PATH),
    "list": lambda destination: list(destination.list()),
    "list of a folder": lambda destination: list(destination.list("tacacs-hq/manual")),
    "sweep": lambda destination: destination.sweep("token"),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
@pytest.mark.parametrize("planted", ["nas", "nas/tacacs-hq", "nas/tacacs-hq/manual"])
@pytest.mark.parametrize("relative", [False, True])
def test_a_folder_replaced_by_a_link_is_refused_and_what_is_behind_it_untouched(
    local: Destination,
    backup_root: Path,
    outside: Path,
    use: Callable[[Destination], object],
    planted: str,
    relative: bool,
) -> None:
    link = backup_root / planted
    target = outside.joinpath(*Path(planted).parts[1:])
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(os.path.relpath(target, link.parent) if relative else target)
    with pytest.raises(DestinationUnavailable, match="symbolic link") as caught:
        use(local)
    assert str(link) in caught.value.message
    assert "never followed" in caught.value.hint
    assert files_below(outside) == [PATH]
    assert (outside / PATH).read_bytes() == b"precious"


@pytest.mark.parametrize("name", ["get", "stat", "delete", "list", "list of a folder"])
def test_a_file_replaced_by_a_link_is_refused(local: Destination, backup_root: Path, outside: Path, name: str) -> None:
    (backup_root / "nas/tacacs-hq/manual").mkdir(parents=True)
    (backup_root / "nas" / PATH).symlink_to(outside / PATH)
    with pytest.raises(DestinationUnavailable, match=r"link|regular file"):
        USES[name](local)
    assert (outside / PATH).read_bytes() == b"precious"


@pytest.mark.parametrize("target", ["outside", "dangling"])
def test_an_upload_does_not_write_through_a_link_at_its_name(
    local: Destination, backup_root: Path, outside: Path, target: str
) -> None:
    folder = backup_root / "nas/tacacs-hq/manual"
    folder.mkdir(parents=True)
    victim = outside / (PATH if target == "outside" else "made-by-an-upload")
    for name in ("backup.tar.gz", "part.tar.gz.token.part"):
        (folder / name).symlink_to(victim)
    for path in (PATH, "tacacs-hq/manual/part.tar.gz"):
        with pytest.raises(NameTaken):
            put(local, path, b"x")
    assert files_below(outside) == [PATH]
    assert (outside / PATH).read_bytes() == b"precious"


def test_a_link_planted_during_an_upload_takes_nothing_outside(
    local: Destination, backup_root: Path, outside: Path
) -> None:
    data = b"x" * 3 * 1024 * 1024
    folder = backup_root / "nas/tacacs-hq"

    def plant(written: int) -> None:
        if not folder.is_symlink():
            folder.rename(backup_root / "moved")
            folder.symlink_to(outside / "tacacs-hq")

    local.put(io.BytesIO(data), PATH.replace("backup", "new"), size=len(data), token="t", progress=plant)
    assert files_below(outside) == [PATH]
    assert files_below(backup_root / "moved") == ["manual/new.tar.gz"]


def test_a_pipe_in_place_of_an_archive_does_not_hang(local: Destination, backup_root: Path) -> None:
    (backup_root / "nas/tacacs-hq/manual").mkdir(parents=True)
    os.mkfifo(backup_root / "nas" / PATH)
    with pytest.raises(DestinationUnavailable, match="not a regular file"):
        local.get(PATH, io.BytesIO())


@pytest.mark.parametrize("path", ["../outside/x", "/etc/cron", "a/../../x", ".bashrc"])
def test_no_method_takes_a_path_that_leads_out(local: Destination, backup_root: Path, path: str) -> None:
    for use in (
        lambda: put(local, path, b"x"),
        lambda: local.get(path, io.BytesIO()),
        lambda: local.stat(path),
        lambda: local.delete(path),
        lambda: list(local.list(path)),
    ):
        with pytest.raises(DestinationError, match="not allowed"):
            use()
    assert files_below(backup_root) == []
