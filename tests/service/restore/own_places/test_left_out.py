"""Places of the site inside a tree: backups, previews and records say what they leave out, and it stays."""

import os
import shutil
from pathlib import Path

import pytest
from django.db import DatabaseError, connection

from backups.archive.manifest.document import LeftOut, Manifest
from backups.components.files.component import FilesComponent
from backups.instances import get_instance
from backups.instances.site_paths import live_components, live_components_at
from backups.models import BackupExecution
from backups.service.archives.extract import extract
from backups.service.restore.dry_run import dry_run_restore
from backups.service.restore.preview.build import preview
from backups.service.restore.preview.tree import TreePreview
from backups.service.restore.request import RestoreRequest
from tests.support.processes.unprivileged_user import NOBODY, open_way, run_as_nobody
from tests.support.restores.instance_restores import drafts, restore, undo
from tests.support.restores.own_places import Host, members

pytestmark = pytest.mark.django_db(transaction=True)


def tree_shown(source: BackupExecution | Path) -> TreePreview:
    """Return what the preview says of the tree."""
    (shown,) = [one for one in preview(source, "host").components if one.name == "all"]
    assert shown.tree is not None
    assert shown.tree.unknown == ""
    return shown.tree


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
