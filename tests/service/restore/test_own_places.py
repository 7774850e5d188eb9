"""Archives, workspaces, database, keys and logs inside a tree: no backup holds them, and no restore touches them."""

import os
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.db import DatabaseError, connection
from pytest_django import Settings

from backups.archive.manifest.document import LeftOut, Manifest
from backups.components.files import replace as component_tree
from backups.components.files import replace_around as around
from backups.components.files.component import FilesComponent
from backups.errors import ComponentError, Untouched
from backups.instances import get_instance
from backups.instances.site_paths import live_components, live_components_at
from backups.lib.atomic import discard
from backups.models import BackupExecution
from backups.runs.recovery.reap import reap
from backups.service.archives.extract import extract
from backups.service.backup.run import run_backup
from backups.service.backup.start import start_backup
from backups.service.restore.dry_run import dry_run_restore
from backups.service.restore.preview.build import preview
from backups.service.restore.preview.tree import TreePreview
from backups.service.restore.request import RestoreRequest
from destinations.models import BackupDestination
from tests.support.databases.sqlite_files import make_database
from tests.support.file_systems import bound, small_disk
from tests.support.processes.unprivileged_user import NOBODY, open_way, run_as_nobody
from tests.support.programs import missing, require
from tests.support.restores.instance_restores import Tree, drafts, queue, restore, sha256, the_restore, tree, undo
from tests.support.restores.killed_restores import Victims, killed_at
from tests.support.sites.command_site import Site

pytestmark = pytest.mark.django_db(transaction=True)
HOST = """\
[host]
kind = "generic"
root = "{root}"
[host.components.all]
kind = "files"
path = "{path}"
[other]
kind = "generic"
root = "{other}"
[other.components.orders]
kind = "sqlite"
path = "orders.db"
"""


class Host:
    """A service whose tree holds places of the site, and the site beside it."""

    def __init__(self, root: Path, declare: Callable[[str], None], settings: Settings) -> None:
        self.root, self.settings, self._declare = root, settings, declare
        self.archives = root.parent / "home" / "backups"
        self.other = root.parent / "other"
        self.other.mkdir()
        make_database(self.other / "orders.db", rows=20)
        (root / "app").mkdir(parents=True)
        (root / "app" / "data").write_bytes(os.urandom(50_000))
        (root / "app" / "link").symlink_to("data")
        (root / "var").mkdir()
        (root / "var").chmod(0o750)
        (root / "var" / "state").write_text("one")
        self.declare(root.parent, root.name)

    def declare(self, root: Path, path: str) -> None:
        self._declare(HOST.format(root=root, path=path, other=self.other))

    def keep_archives_in(self, folder: Path) -> None:
        """Keep them there from now on, those that are there already too."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (self.archives / "nas").exists():
            shutil.copytree(self.archives / "nas", folder / "nas", dirs_exist_ok=True)
        self.archives = self.settings.BACKUP_ROOT = folder

    def back_up(self, instance: str = "host") -> BackupExecution:
        found = BackupDestination.objects.filter(name="nas").first()
        if found is None:
            found = BackupDestination(name="nas", type="local", created_by="tests")
            found.configure({})
            found.save()
        return run_backup(start_backup(instance, found, by="tests").pk)

    def stored(self) -> dict[str, str]:
        """Return every file among the archives with the digest of its bytes."""
        return {str(path): sha256(path) for path in sorted(self.archives.rglob("*")) if path.is_file()}

    def service(self) -> Tree:
        """Return what is the service's own in the tree."""
        return {name: about for name, about in tree(self.root).items() if name.split("/")[0] in ("app", "var", "new")
                and not name.startswith("var/backups")}  # fmt: skip

    def work(self) -> None:
        """Do what a day does: something changes, something comes, something goes."""
        (self.root / "app" / "data").write_text("changed")
        (self.root / "app" / "link").unlink()
        (self.root / "new").write_text("a day of new work")
        (self.root / "var").chmod(0o700)


@pytest.fixture
def host(tmp_path: Path, home: Path, declare: Callable[[str], None], settings: Settings) -> Host:
    return Host(tmp_path / "srv", declare, settings)


@pytest.fixture
def mounted() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def members(backup: BackupExecution, folder: Path) -> set[str]:
    """Return the names in the nested tar of the tree."""
    folder.mkdir()
    with tarfile.open(backup.destination.open().folder() / backup.backup_path) as archive:
        archive.extract("all.tar", folder, filter="data")
    with tarfile.open(folder / "all.tar") as nested:
        return set(nested.getnames())


def tree_shown(source: BackupExecution | Path) -> TreePreview:
    """Return what the preview says of the tree."""
    (shown,) = [one for one in preview(source, "host").components if one.name == "all"]
    assert shown.tree is not None
    assert shown.tree.unknown == ""
    return shown.tree


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


def test_a_backup_says_what_it_left_out_and_the_estimate_does_not_count_it(host: Host) -> None:
    host.keep_archives_in(host.root / "var" / "backups")
    host.settings.BACKUP_WORKSPACE_ROOT = host.root / "work"
    host.back_up()
    (host.archives / "large").write_bytes(bytes(30_000_000))
    backup = host.back_up()
    manifest = Manifest.from_dict(backup.manifest_json)
    assert manifest.left_out == (
        LeftOut("all", "var/backups", "archives"),
        LeftOut("all", "work", "workspaces"),
    )
    assert manifest.warnings == tuple(backup.warnings)
    assert backup.warnings == [
        f"{host.root}/var/backups holds archives of this site and was left out",
        f"{host.root}/work holds workspaces of this site and was left out",
    ]
    (component,) = live_components(get_instance("host"))
    assert component.source_bytes() < 1_000_000


def test_an_older_archive_with_archives_in_it_brings_none_of_them_back(
    host: Host, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    old_archives = host.root / "var" / "backups" / "nas" / "host"
    old_archives.mkdir(parents=True)
    (old_archives / "old.tar.gz").write_text("from before")
    (host.root / "var" / "backups" / "stray").write_text("stray")
    backup = host.back_up()
    assert "var/backups/nas/host/old.tar.gz" in members(backup, tmp_path / "look")
    content = tmp_path / "fetched.tar.gz"
    content.write_bytes((host.archives / "nas" / backup.backup_path).read_bytes())
    # from now on the archives lie where the tree had something else
    (old_archives / "old.tar.gz").write_text("newer")
    (host.root / "var" / "backups" / "stray").unlink()
    host.keep_archives_in(host.root / "var" / "backups")
    host.work()
    shown = tree_shown(content)
    assert {entry.name for entry in (*shown.going.named, *shown.returning.named)} == {"app/link", "new"}
    restore(content, "host", accept_unsigned=True)
    assert (host.root / "var" / "state").read_text() == "one"
    assert (old_archives / "old.tar.gz").read_text() == "newer"
    assert not (host.root / "var" / "backups" / "stray").exists()
    assert sum(path.endswith("safety.tar.gz") for path in host.stored()) == 1
    # on another day it is all there to be looked at
    done = extract(content, tmp_path_factory.mktemp("out"), by="tests")
    assert (done.directory / "all" / "var" / "backups" / "stray").read_text() == "stray"


def test_the_folder_of_a_destination_that_is_not_made_yet_is_not_filled_by_a_restore(
    host: Host, tmp_path: Path
) -> None:
    (host.root / "backups" / "usb").mkdir(parents=True)
    (host.root / "backups" / "usb" / "file").write_text("x")
    backup = host.back_up()
    shutil.rmtree(host.root / "backups" / "usb")
    host.keep_archives_in(host.root / "backups")
    restore(backup)
    assert not (host.root / "backups" / "usb").exists()


def test_a_folder_that_leads_to_the_archives_and_was_not_there_before_stays(host: Host) -> None:
    backup = host.back_up()
    old = host.service()
    host.keep_archives_in(host.root / "later" / "made" / "backups")
    (host.root / "later" / "beside").write_text("goes")
    host.work()
    before = host.stored()
    shown = tree_shown(backup)
    assert {entry.name for entry in shown.going.named} == {"later/beside", "new"}
    assert {entry.name for entry in shown.returning.named} == {"app/link"}
    done = restore(backup)
    assert host.service() == old
    assert before.items() <= host.stored().items()
    assert not (host.root / "later" / "beside").exists()
    undo(done)
    assert (host.root / "later" / "beside").read_text() == "goes"
    assert before.items() <= host.stored().items()


def test_what_is_in_the_way_of_the_archives_in_the_backup_refuses_the_restore_and_the_dry_run(host: Host) -> None:
    (host.root / "later").write_text("a file")
    backup = host.back_up()
    (host.root / "later").unlink()
    host.keep_archives_in(host.root / "later" / "backups")
    host.work()
    new, before = host.service(), host.stored()
    for attempt in (
        lambda: dry_run_restore(RestoreRequest(source=backup, instance="host", archive_sha256=backup.archive_sha256)),
        lambda: restore(backup),
    ):
        with pytest.raises(Untouched, match=r"later is no folder in the backup, and now leads to archives"):
            attempt()
    assert the_restore().error_message.endswith(". Nothing was changed.")
    assert (host.service(), host.stored()) == (new, before)


def test_a_tree_that_is_a_mount_point_and_holds_archives_is_restored_around_them(
    host: Host, mounted: ExitStack
) -> None:
    backup, old = host.back_up(), host.service()
    mounted.enter_context(bound(host.root, host.root))
    host.keep_archives_in(host.root / "backups")
    host.work()
    before = host.stored()
    dry_run_restore(RestoreRequest(source=backup, instance="host", archive_sha256=backup.archive_sha256))
    assert preview(backup, "host").refusals == ()
    assert restore(backup).status == "completed"
    assert host.service() == old
    assert before.items() <= host.stored().items()


def test_a_backup_from_before_the_tree_takes_all_of_it_away_but_the_archives(host: Host, tmp_path: Path) -> None:
    tree_ = host.root
    aside = tree_.rename(tmp_path / "aside")
    instances = (host.settings.BACKUP_INSTANCES_FILE).read_text()
    host.settings.BACKUP_INSTANCES_FILE.write_text(
        instances.replace(f'path = "{tree_.name}"', f'path = "{tree_.name}"\noptional = true\n[host.components.fix]\n'
                          f'kind = "files"\npath = "fix"', 1)
    )  # fmt: skip
    (tmp_path / "fix").write_text("fix")
    backup = host.back_up()
    assert [absent["component"] for absent in backup.manifest_json["absent"]] == ["all"]
    aside.rename(tree_)
    host.keep_archives_in(tree_ / "var" / "backups")
    new, before = host.service(), host.stored()
    component = next(one for one in live_components(get_instance("host")) if one.name == "all")
    assert component.exists()
    component.remove()
    assert not component.exists()
    assert sorted(str(path.relative_to(tree_)) for path in tree_.rglob("*") if "nas" not in path.parts) == [
        "var", "var/backups",
    ]  # fmt: skip
    assert (tree_ / "var").stat().st_mode & 0o777 == 0o750
    assert before.items() <= host.stored().items()
    assert new
    assert drafts(tmp_path) == []


def test_the_preview_counts_no_archive_as_a_change_and_says_what_stays(host: Host) -> None:
    host.keep_archives_in(host.root / "backups")
    backup = host.back_up()
    for name in ("host", "other"):
        host.back_up(name)
    (shown,) = [one for one in preview(backup, "host").components if one.name == "all"]
    assert shown.lost == ()
    assert f"{host.root}/backups holds archives of this site and stays as it is" in shown.notes


def test_a_dry_run_and_the_record_of_the_restore_say_what_stays(host: Host) -> None:
    host.keep_archives_in(host.root / "backups")
    backup = host.back_up()
    stays = f"{host.root}/backups holds archives of this site and stays as it is"
    dry_run_restore(RestoreRequest(source=backup, instance="host", archive_sha256=backup.archive_sha256))
    assert stays in restore(backup).warnings


@pytest.mark.parametrize("path", ["home/backups", "home/backups/nas", "home/workspaces", "home"])
def test_a_component_in_a_place_of_the_site_is_refused(
    path: str, host: Host, tmp_path: Path, declare: Callable[[str], None]
) -> None:
    backup = host.back_up()
    host.declare(tmp_path, path)
    before = host.stored()
    if path == "home":
        assert host.back_up().status == "completed"
        return
    with pytest.raises(ComponentError, match=r"^all: .* lies where this site keeps its (archives|workspaces)"):
        host.back_up()
    with pytest.raises(ComponentError, match=r"lies where this site keeps its"):
        restore(backup)
    assert the_restore().error_message.endswith(". Nothing was changed.")
    assert before.items() <= host.stored().items()


def test_a_database_of_a_service_that_is_the_sites_own_is_refused(
    host: Host, tmp_path: Path, declare: Callable[[str], None], settings: Settings
) -> None:
    settings.BACKUP_KEY_FILES = [tmp_path / "other" / "orders.db"]
    with pytest.raises(ComponentError, match=r"^orders: .*orders\.db lies where this site keeps its keys"):
        host.back_up("other")


def test_a_tree_that_holds_another_instance_is_refused(host: Host, tmp_path: Path) -> None:
    host.other.rename(host.root / "other")
    host.other = host.root / "other"
    host.declare(tmp_path, "srv")
    with pytest.raises(ComponentError, match=r"^all: .*srv/other of instance other lies in .*srv\.$"):
        host.back_up()
    assert host.back_up("other").status == "completed"


def test_taking_a_tree_away_empties_no_disk_that_is_mounted_in_it(host: Host, mounted: ExitStack) -> None:
    (host.root / "disk").mkdir()
    mounted.enter_context(small_disk(host.root / "disk", megabytes=1))
    (host.root / "disk" / "precious").write_text("precious")
    (component,) = live_components(get_instance("host"))
    with pytest.raises(ComponentError, match=r"disk in it is a mount point\.$"):
        component.remove()
    with pytest.raises(OSError, match="a file system is mounted in it"):
        discard(host.root)
    assert (host.root / "disk" / "precious").read_text() == "precious"
    assert (host.root / "app" / "data").exists()


AS_NOBODY = """
import os, sys
from pathlib import Path
from backups.components.base import ApplyContext, ExportContext
from backups.components.files.component import FilesComponent
from backups.archive.manifest.document import Entry
from backups.lib.site_paths import SitePath, SitePaths
os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})
tree, staged = map(Path, sys.argv[1:])
own = SitePaths([SitePath("archives", tree / "var" / "backups")])
component = FilesComponent("all", tree, member="all", own=own)
component.export(ExportContext(staged, 1.0, lambda _: None))
(tree / "app" / "data").unlink(); (tree / "app").chmod(0o700); (tree / "new").mkdir(0o500)
(tree / "var" / "state").write_text("changed"); (tree / "var").chmod(0o700)
context = ApplyContext(staged, 1.0, lambda _: None)
entries = [Entry("all.tar", 0, "0" * 64, "data", "all")]
component.apply(entries, context)
print(component.verify(entries, context), component.matches(entries, context))
"""


def test_an_ordinary_user_restores_around_the_archives_too(tmp_path: Path) -> None:
    tree_, staged = tmp_path / "theirs" / "srv", tmp_path / "theirs" / "staged"
    (tree_ / "var" / "backups").mkdir(parents=True)
    (tree_ / "app").mkdir()
    staged.mkdir()
    (tree_ / "app" / "data").write_text("data")
    (tree_ / "var" / "state").write_text("one")
    (tree_ / "var" / "backups" / "archive").write_text("archive")
    open_way(tmp_path)
    for path in (tmp_path / "theirs", *(tmp_path / "theirs").rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    (tree_ / "var").chmod(0o750)
    inode = (tree_ / "var" / "backups").stat().st_ino
    assert run_as_nobody(AS_NOBODY, str(tree_), str(staged)) == "[] True"
    assert (tree_ / "app" / "data").read_text() == "data"
    assert (tree_ / "var").stat().st_mode & 0o777 == 0o750
    assert not (tree_ / "new").exists()
    assert (tree_ / "var" / "backups").stat().st_ino == inode
    assert (tree_ / "var" / "backups" / "archive").read_text() == "archive"


def test_the_way_back_needs_no_database_to_know_the_places(host: Host) -> None:
    host.keep_archives_in(host.root / "backups")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE backup_destinations RENAME TO gone")
    try:
        with pytest.raises(DatabaseError):
            live_components(get_instance("host"))
        (component,) = live_components_at(get_instance("host"), {"all": str(host.root)})
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE gone RENAME TO backup_destinations")
    assert isinstance(component, FilesComponent)
    assert list(component.site_paths_below().places) == ["backups"]


# --- killed ---------------------------------------------------------------------------------------------------------
MOMENTS = {
    "before the first step": killed_at(around, "_carry_out"),
    "after the first swap": killed_at(around, "rename_exchange", 1, after=True),
    "before the second swap": killed_at(around, "rename_exchange", 2),
    "between moves": killed_at(around.os, "rename", 1, after=True),
    "before modes": killed_at(around, "_set_metadata", 1),
    "after modes": killed_at(around, "_set_metadata", 1, after=True),
    "old one is to be removed": killed_at(component_tree, "discard_drafts"),
    "is proven": killed_at(FilesComponent, "verify", after=True),
}


def test_a_restore_around_the_archives_that_is_killed_is_rolled_back_and_every_archive_is_there(
    host: Host, home: Path, workspaces: Callable[[], list[str]], tmp_path: Path
) -> None:
    # a process of its own knows the site by its environment: all lies in the home
    host.root.rename(home / "srv")
    host.root = home / "srv"
    (home / "backups").rename(host.root / "backups")
    (home / "backups").symlink_to(host.root / "backups")
    host.archives = host.root / "backups"
    host.declare(home, "srv")
    (host.root / "zebra").write_text("swapped")
    (host.root / "goes").write_text("comes")
    backup = host.back_up()
    host.back_up("other")
    host.work()
    (host.root / "zebra").write_text("changed")
    (host.root / "goes").unlink()

    def service() -> Tree:
        return {name: about for name, about in tree(host.root).items() if not name.startswith("backups/")}

    new = service()
    with Victims(home) as victims:
        for moment, where in MOMENTS.items():
            before = host.stored()
            code = victims.run(queue(backup, accept_unsigned=True), where)
            assert code == -signal.SIGKILL, (moment, victims.log)
            assert before.items() <= host.stored().items(), moment
            reap()
            assert service() == new, moment
            assert (before.items() <= host.stored().items(), drafts(home), workspaces()) == (True, [], []), moment
            assert the_restore().error_message.endswith(". What it had changed was rolled back."), moment
    done = restore(backup)
    assert (host.root / "zebra").read_text() == "swapped"
    undo(done)
    assert service() == new


def test_a_step_that_fails_takes_the_others_back(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host.keep_archives_in(host.root / "backups")
    for number in range(5):
        (host.root / f"f{number}").write_text("old")
    backup = host.back_up()
    for number in range(5):
        (host.root / f"f{number}").write_text("new")
    host.work()
    if os.geteuid() != 0:
        pytest.skip("only root can make a file immutable")
    new, before = tree(host.root / "app") | host.service(), host.stored()
    immutable(host.root / "f3", on=True)
    try:
        with pytest.raises(Untouched, match=r"cannot be replaced in place: "):
            restore(backup)
    finally:
        immutable(host.root / "f3", on=False)
    assert [(host.root / f"f{number}").read_text() for number in range(5)] == ["new"] * 5
    assert tree(host.root / "app") | host.service() == new
    assert before.items() <= host.stored().items()
    assert the_restore().error_message.endswith(". Nothing was changed.")


def immutable(path: Path, *, on: bool) -> None:
    done = subprocess.run([require("chattr"), "+i" if on else "-i", str(path)], check=False, capture_output=True)
    if done.returncode != 0:
        missing("this file system has no immutable files")


# --- a whole site inside what it backs up ----------------------------------------------------------------------------
SITE = """\
[all]
kind = "generic"
root = "{root}"
[all.components.all]
kind = "files"
path = "srv"
"""


def test_a_site_inside_the_tree_that_it_restores_keeps_archives_database_keys_and_logs(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.home, site.instance = tmp_path / "srv" / "site", tmp_path / "srv"
    site.home.mkdir(mode=0o700, parents=True)
    (site.home / "backups").mkdir(mode=0o700)
    (site.home / "instances.toml").write_text(SITE.format(root=tmp_path))
    (tmp_path / "srv" / "data").write_text("old")
    secret = site.home / "pass.phrase"
    secret.write_text("correct horse battery staple")
    secret.chmod(0o600)
    more = {"BACKUP_ENCRYPTION_PASSPHRASE_FILE": str(secret), "BACKUP_WORKSPACE_ROOT": str(site.home / "work")}

    def run(*arguments: str) -> str:
        ended = site.run(*arguments, **more)
        assert ended.code == 0, ended.err
        return ended.out

    run("migrate", "-v0")
    run("adddestination", "nas", "--type", "local")
    run("backup", "all")
    (listed,) = site.run("listbackups", "--json", **more).data
    first = site.run("showbackup", listed["id"], "--json", **more).data
    assert {one["what"] for one in first["manifest"]["left_out"]} == {
        "archives", "workspaces", "database", "keys", "logs",
    }  # fmt: skip
    run("backup", "all")
    (tmp_path / "srv" / "data").write_text("new")
    (tmp_path / "srv" / "came").write_text("came")
    keys = {
        name: (site.home / name).read_bytes() for name in ("secret_key", "secrets_key", "signing.key", "pass.phrase")
    }
    log = (site.home / "backupsite.log").read_text()
    stored = {path: sha256(path) for path in (site.home / "backups").rglob("*.age")}
    assert len(stored) == 2

    run("restore", first["id"], "--confirm")
    assert (tmp_path / "srv" / "data").read_text() == "old"
    assert not (tmp_path / "srv" / "came").exists()
    assert {path: sha256(path) for path in stored} == stored
    assert {name: (site.home / name).read_bytes() for name in keys} == keys
    assert (site.home / "backupsite.log").read_text().startswith(log)
    (row,) = site.run("listrestores", "all", "--json", **more).data
    assert row["status"] == "completed"
    assert len(site.run("listbackups", "--json", **more).data) == 3
    run("restore", "--undo", row["id"], "--confirm")
    assert (tmp_path / "srv" / "data").read_text() == "new"
    assert (tmp_path / "srv" / "came").read_text() == "came"
    assert {path: sha256(path) for path in stored} == stored
    run("verifybackup", first["id"])
