"""Archives that lie inside a tree in any way: no backup holds them, a restore and its undo keep them."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.file_systems import bound, small_disk
from tests.support.restores.instance_restores import drafts, restore, undo
from tests.support.restores.own_places import Host, members

pytestmark = pytest.mark.django_db(transaction=True)
Way = Callable[[Host, Path, ExitStack], None]


def below(host: Host, tmp: Path, mounts: ExitStack) -> None:
    host.keep_archives_in(host.root / "backups")


def deep(host: Host, tmp: Path, mounts: ExitStack) -> None:
    host.keep_archives_in(host.root / "var" / "backups")


def by_other_names(host: Host, tmp: Path, mounts: ExitStack) -> None:
    host.keep_archives_in(host.root / "var" / "backups")
    host.settings.BACKUP_ROOT = host.root / "app" / ".." / "var" / "backups"


def through_a_link_to_the_archives(host: Host, tmp: Path, mounts: ExitStack) -> None:
    host.keep_archives_in(host.root / "var" / "backups")
    (tmp / "link").symlink_to(host.archives)
    host.settings.BACKUP_ROOT = tmp / "link"


def through_a_link_in_the_tree(host: Host, tmp: Path, mounts: ExitStack) -> None:
    host.keep_archives_in(tmp / "disk")
    (host.root / "backups").symlink_to(host.archives)
    host.settings.BACKUP_ROOT = host.root / "backups"


def through_a_link_to_the_tree(host: Host, tmp: Path, mounts: ExitStack) -> None:
    host.keep_archives_in(host.root / "var" / "backups")
    (tmp / "service").symlink_to("srv")
    host.declare(tmp, "service")


def through_a_bind_mount(host: Host, tmp: Path, mounts: ExitStack) -> None:
    host.keep_archives_in(host.root / "var" / "backups")
    (tmp / "mnt").mkdir()
    host.settings.BACKUP_ROOT = mounts.enter_context(bound(host.archives, tmp / "mnt"))


def through_a_bind_mount_of_the_tree(host: Host, tmp: Path, mounts: ExitStack) -> None:
    host.keep_archives_in(host.root / "var" / "backups")
    (tmp / "mnt").mkdir()
    host.settings.BACKUP_ROOT = mounts.enter_context(bound(host.root, tmp / "mnt")) / "var" / "backups"


def tree_through_a_bind_mount(host: Host, tmp: Path, mounts: ExitStack) -> None:
    host.keep_archives_in(host.root / "var" / "backups")
    (tmp / "mnt").mkdir()
    mounts.enter_context(bound(tmp, tmp / "mnt"))
    host.declare(tmp / "mnt", "srv")


def mounted_into_the_tree(host: Host, tmp: Path, mounts: ExitStack) -> None:
    host.keep_archives_in(tmp / "disk")
    (host.root / "backups").mkdir()
    mounts.enter_context(bound(host.archives, host.root / "backups"))


def on_a_disk_of_their_own(host: Host, tmp: Path, mounts: ExitStack) -> None:
    (host.root / "var" / "backups").mkdir()
    mounts.enter_context(small_disk(host.root / "var" / "backups", megabytes=8))
    host.keep_archives_in(host.root / "var" / "backups")


def a_folder_of_the_tree_mounted_among_the_archives(host: Host, tmp: Path, mounts: ExitStack) -> None:
    (host.root / "var" / "backups").mkdir()
    host.keep_archives_in(tmp / "archives")
    (tmp / "archives" / "nas").mkdir()
    mounts.enter_context(bound(host.root / "var" / "backups", tmp / "archives" / "nas"))


WAYS: list[Way] = [
    below, deep, by_other_names, through_a_link_to_the_archives, through_a_link_in_the_tree,
    through_a_link_to_the_tree, through_a_bind_mount, through_a_bind_mount_of_the_tree, tree_through_a_bind_mount,
    mounted_into_the_tree, on_a_disk_of_their_own, a_folder_of_the_tree_mounted_among_the_archives,
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_a_restore_and_its_undo_keep_every_archive(way: Way, host: Host, tmp_path: Path, mounted: ExitStack) -> None:
    way(host, tmp_path, mounted)
    first = host.back_up()
    old = host.service()
    host.back_up("other")
    second = host.back_up()
    assert len(second.manifest_json["left_out"]) == 1, "the archives are left out of the tree"
    assert abs(second.size_bytes - first.size_bytes) < 3000, "no backup holds the ones before"
    assert not any("nas" in name for name in members(second, tmp_path / "look"))
    host.work()
    new = host.service()
    before = host.stored()
    assert len(before) == 6

    done = restore(first, accept_unsigned=True)
    assert (done.status, host.service()) == ("completed", old)
    assert before.items() <= host.stored().items()
    assert len(host.stored()) == 8, "the safety backup, and its signature"
    assert done.safety_backup is not None

    undone = undo(done)
    assert (undone.status, host.service()) == ("completed", new)
    assert before.items() <= host.stored().items()
    assert len(host.stored()) == 10
    assert drafts(tmp_path) == []
