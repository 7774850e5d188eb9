"""Paths of the site are recognised through links, bind mounts and other spellings, and before they exist."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from backups.lib.filesystem.walk import walk
from backups.lib.site_paths import DATABASE_FILES, LOG_FILES, NO_SITE_PATHS, SitePath, SitePaths
from tests.support.file_systems import bound, small_disk
from tests.support.programs import require


def archives(path: Path) -> SitePaths:
    return SitePaths([SitePath("archives", path)])


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "srv"
    (root / "var" / "backups" / "nas").mkdir(parents=True)
    (root / "app").mkdir()
    (root / "app" / "data").write_text("data")
    return root


@pytest.fixture
def mounted() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def made(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def linked(path: Path, target: Path) -> Path:
    path.symlink_to(target)
    return path


Way = Callable[[Path, Path, ExitStack], tuple[Path, Path]]
# the path of the archives and that of the tree, made in the folder `tmp` of the tree `srv`
WAYS: dict[str, Way] = {
    "as it is": lambda tmp, srv, _: (srv / "var/backups", srv),
    "dots": lambda tmp, srv, _: (srv / "app/../var/./backups", srv / "var" / ".."),
    "link to the archives": lambda tmp, srv, _: (linked(tmp / "link", srv / "var/backups"), srv),
    "link to a folder above": lambda tmp, srv, _: (linked(tmp / "link", srv / "var") / "backups", srv),
    "chain of links": lambda tmp, srv, _: (
        linked(tmp / "second", linked(tmp / "first", Path("srv/var"))) / "backups",
        srv,
    ),
    "link to the tree": lambda tmp, srv, _: (srv / "var/backups", linked(tmp / "link", srv)),
    "bind mount of the archives": lambda tmp, srv, mounts: (
        mounts.enter_context(bound(srv / "var/backups", made(tmp / "mnt"))),
        srv,
    ),
    "bind mount of a folder above": lambda tmp, srv, mounts: (
        mounts.enter_context(bound(srv, made(tmp / "mnt"))) / "var/backups",
        srv,
    ),
    "bind mount of the tree": lambda tmp, srv, mounts: (
        srv / "var/backups",
        mounts.enter_context(bound(srv, made(tmp / "mnt"))),
    ),
    "two bind mounts": lambda tmp, srv, mounts: (
        mounts.enter_context(bound(srv / "var", made(tmp / "one"))) / "backups",
        mounts.enter_context(bound(srv, made(tmp / "other"))),
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_place_is_found_in_the_tree_by_every_path(way: str, tree: Path, tmp_path: Path, mounted: ExitStack) -> None:
    where, root = WAYS[way](tmp_path, tree, mounted)
    found = archives(where).below(root)
    assert list(found.places) == ["var/backups"]
    assert found.ways == ["var"]
    assert [entry.name for entry in walk(root, found)] == ["app", "var", "app/data"]


@pytest.mark.parametrize("way", WAYS)
def test_a_place_that_is_not_made_yet_is_found_by_every_path_too(
    way: str, tree: Path, tmp_path: Path, mounted: ExitStack
) -> None:
    where, root = WAYS[way](tmp_path, tree, mounted)
    found = archives(where / "later" / "usb").below(root)
    assert list(found.places) == ["var/backups/later/usb"]
    assert list(found.existing(root)) == []


@pytest.mark.parametrize("way", WAYS)
def test_a_folder_in_a_place_is_known_as_the_sites(way: str, tree: Path, tmp_path: Path, mounted: ExitStack) -> None:
    where, root = WAYS[way](tmp_path, tree, mounted)
    own = archives(where)
    assert own.holding(root / "var/backups") is not None
    assert own.holding(root / "var/backups/nas") is not None
    assert own.holding(root / "var/backups/none/such") is not None
    assert own.holding(where / "nas") is not None
    assert own.holding(root / "var") is None
    assert own.holding(root / "app/data") is None


def test_a_link_on_the_way_to_a_place_is_left_too(tree: Path, tmp_path: Path) -> None:
    disk = made(tmp_path / "disk" / "archives")
    (tree / "app" / "archives").symlink_to(disk)
    found = archives(tree / "app" / "archives").below(tree)
    assert list(found.places) == ["app/archives"]
    assert archives(disk).below(tree).places == {}


def test_archives_that_are_mounted_into_the_tree_are_found(tree: Path, tmp_path: Path, mounted: ExitStack) -> None:
    disk = made(tmp_path / "disk")
    mounted.enter_context(bound(disk, made(tree / "shown")))
    assert list(archives(disk).below(tree).places) == ["shown"]
    (disk / "deep").mkdir()
    assert list(archives(disk / "deep").below(tree).places) == ["shown/deep"]


def test_a_folder_of_the_tree_that_is_mounted_between_the_archives_is_found(
    tree: Path, tmp_path: Path, mounted: ExitStack
) -> None:
    root = made(tmp_path / "archives")
    mounted.enter_context(bound(tree / "app", made(root / "nas")))
    assert list(archives(root).below(tree).places) == ["app"]


def test_a_disk_mounted_over_another_spelling_hides_nothing_and_claims_nothing(
    tree: Path, tmp_path: Path, mounted: ExitStack
) -> None:
    view = mounted.enter_context(bound(tree, made(tmp_path / "view")))
    made(mounted.enter_context(small_disk(view / "var", megabytes=1)) / "backups")
    assert list(archives(tree / "var/backups").below(tree).places) == ["var/backups"]
    assert archives(tree / "var/backups").below(view).places == {}


def test_a_file_that_is_mounted_elsewhere_is_found(tree: Path, tmp_path: Path, mounted: ExitStack) -> None:
    key = tmp_path / "key"
    key.write_text("key")
    (tree / "app" / "key").touch()
    mounted.enter_context(bound(key, tree / "app" / "key"))
    assert list(archives(key).below(tree).places) == ["app/key"]


@pytest.fixture
def caseless(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system that takes upper and lower case for the same, and lists all names in lower case."""
    if os.geteuid() != 0 or not Path("/dev/fuse").exists():
        pytest.skip("only root can mount such a file system, and through FUSE")
    disk, point = tmp_path / "disk.img", made(tmp_path / "caseless")
    with disk.open("wb") as file:
        file.truncate(8 << 20)
    subprocess.run([require("mkntfs"), "-F", "-q", "-s", "512", str(disk)], check=True, capture_output=True)
    subprocess.run([require("lowntfs-3g"), "-o", "ignore_case", str(disk), str(point)], check=True)
    yield point
    subprocess.run([require("umount"), "--lazy", str(point)], check=True)


def test_upper_and_lower_case_lead_to_a_place_where_they_are_the_same(caseless: Path) -> None:
    made(caseless / "srv" / "backups" / "nas")
    (caseless / "srv" / "app").touch()
    found = archives(caseless / "sRV" / "bACKUPS").below(caseless / "Srv")
    assert list(found.places) == ["backups"]
    assert [entry.name for entry in walk(caseless / "SRV", found)] == ["app"]


def test_files_beside_a_database_and_a_log_belong_to_them_and_their_neighbours_do_not(tree: Path) -> None:
    own = SitePaths(
        [
            SitePath("database", tree / "app/site.sqlite3", DATABASE_FILES),
            SitePath("logs", tree / "app/site.log", LOG_FILES),
            SitePath("keys", tree / "app/key"),
        ]
    )
    ours = ["site.sqlite3", "site.sqlite3-wal", "site.sqlite3-shm", "site.sqlite3-journal", "site.log", "site.log.1"]
    ours += ["site.log.2.gz", "site.log-20260102", "site.log-20260102.xz", "key"]
    others = ["data", "key.pub", "site.log.conf", "site.logs", "site.sqlite3.bak", "website.log"]
    for name in (*ours, *others):
        (tree / "app" / name).touch()
    found = own.below(tree)
    assert [entry.path.name for entry in walk(tree / "app", own.below(tree / "app"))] == sorted(others)
    assert [found.holds(f"app/{name}") for name in (*ours, *others)] == [True] * len(ours) + [False] * len(others)
    assert own.holding(tree / "app/site.sqlite3-wal") is not None
    assert own.holding(tree / "app/site.sqlite3.bak") is None
    (tree / "app/site.log").unlink()
    assert {name: place.what for name, place in found.existing(tree)} == {
        "app/key": "keys", "app/site.log": "logs", "app/site.sqlite3": "database",
    }  # fmt: skip


def test_a_place_within_a_place_is_told_once(tree: Path) -> None:
    own = SitePaths([SitePath("archives", tree / "var/backups/nas"), SitePath("archives", tree / "var/backups")])
    assert list(own.below(tree).places) == ["var/backups"]


def test_loops_of_links_and_folders_out_of_reach_end(tree: Path) -> None:
    (tree / "a").symlink_to("b")
    (tree / "b").symlink_to("a")
    assert set(archives(tree / "a" / "x").below(tree).places) >= {"a", "b"}
    assert NO_SITE_PATHS.below(tree).places == {}
    assert NO_SITE_PATHS.holding(tree) is None
