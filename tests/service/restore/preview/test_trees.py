"""What a restore takes away of a tree of files, by name, whatever the dates of the files say."""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from backups.components.files import compare_listing as tree_comparison
from backups.models import BackupExecution, TreeList, TreeListBlock
from backups.service.restore.preview.build import preview
from backups.service.restore.preview.component import ComponentPreview
from backups.service.restore.preview.tree import MOST_NAMES, EntryGroup, TreePreview
from tests.support.call_commands import command
from tests.support.databases.sqlite_files import make_database
from tests.support.programs import require
from tests.support.restores.component_restores import restore
from tests.support.restores.instance_restores import tree, undo

pytestmark = pytest.mark.django_db
BackUp = Callable[..., BackupExecution]
Declare = Callable[[str], None]
SHOP = """\
[shop]
kind = "generic"
root = "{root}"
[shop.components.uploads]
kind = "files"
path = "uploads"
[shop.components.settings]
kind = "files"
path = "settings.ini"
"""


@pytest.fixture
def uploads(tmp_path: Path, declare: Declare) -> Path:
    """Return a tree with files, a folder and a link, of an instance known as shop."""
    root = tmp_path / "shop"
    (root / "uploads" / "album").mkdir(parents=True)
    (root / "uploads" / "album" / "photo.jpg").write_bytes(b"photo")
    (root / "uploads" / "one.txt").write_text("one")
    (root / "uploads" / "two.txt").write_text("two")
    (root / "uploads" / "latest").symlink_to("one.txt")
    (root / "settings.ini").write_text("open = true\n")
    declare(SHOP.format(root=root))
    return root / "uploads"


def look(source: BackupExecution | Path, name: str = "uploads", **options: object) -> ComponentPreview:
    shown = preview(source, "shop", **options)  # type: ignore[arg-type]
    return next(component for component in shown.components if component.name == name)


def look_at_tree(source: BackupExecution | Path, **options: object) -> TreePreview:
    found = look(source, **options).tree
    assert found is not None
    return found


def names(group: EntryGroup) -> list[str]:
    return [entry.name for entry in group.named]


def test_a_tree_that_is_as_it_was_loses_nothing(uploads: Path, back_up: BackUp) -> None:
    backup = back_up("shop")
    found = look(backup)
    assert found.tree == TreePreview(same=5)
    assert (found.status, found.loss, found.lost) == ("nothing", "", ())
    assert preview(backup, "shop").status == "nothing"


def test_files_with_dates_before_the_backup_are_counted_and_named(
    uploads: Path, back_up: BackUp, tmp_path: Path
) -> None:
    backup = back_up("shop")
    old = tmp_path / "old"
    old.mkdir()
    for number in range(20):
        (old / f"old-{number:02}.txt").write_text("old")
        os.utime(old / f"old-{number:02}.txt", (1_500_000_000, 1_500_000_000))
    subprocess.run([require("cp"), "-a", f"{old}/.", str(uploads)], check=True)

    shown = preview(backup, "shop")
    found = look_at_tree(backup)

    assert (found.going.count, found.changing.count, found.returning.count) == (20, 0, 0)
    assert names(found.going) == [f"old-{number:02}.txt" for number in range(20)]
    assert shown.loss == "20 files of uploads that are not in the backup (60 B) will be gone."
    assert shown.status == "loss"
    text = command("restore", backup.pk).out
    assert all(f"- old-{number:02}.txt\n" in text for number in range(20))

    done = restore(backup)
    assert sorted(path.name for path in uploads.glob("old-*")) == []
    assert done.status == "completed"


def test_each_way_in_which_an_entry_can_differ_is_named(uploads: Path, back_up: BackUp) -> None:
    (uploads / "touched").write_text("same")
    (uploads / "grown").write_text("short")
    (uploads / "locked").write_text("locked")
    (uploads / "locked").chmod(0o600)
    (uploads / "turned").mkdir()
    (uploads / "turned" / "inner").touch()
    backup = back_up("shop")
    info = (uploads / "touched").stat()
    os.utime(uploads / "touched", ns=(info.st_atime_ns, info.st_mtime_ns + 1_000))
    (uploads / "grown").write_text("much longer")
    (uploads / "locked").chmod(0o640)
    (uploads / "latest").unlink()
    (uploads / "latest").symlink_to("two.txt")
    shutil.rmtree(uploads / "turned")
    (uploads / "turned").write_text("now a file")
    (uploads / "album" / "photo.jpg").unlink()

    found = look_at_tree(backup)

    assert {entry.name: entry.change for entry in found.changing.named} == {
        "touched": "another time",
        "grown": "another size",
        "locked": "another mode",
        "latest": "another target",
        "turned": "a file now, a folder in the backup",
    }
    assert names(found.returning) == ["album/photo.jpg", "turned/inner"]
    assert found.going.count == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_another_owner_is_a_difference(uploads: Path, back_up: BackUp) -> None:
    backup = back_up("shop")
    os.chown(uploads / "one.txt", 4711, 4711)
    assert [(entry.name, entry.change) for entry in look_at_tree(backup).changing.named] == [
        ("one.txt", "another owner")
    ]


def test_what_was_restored_is_the_same_to_the_fraction_of_a_second(uploads: Path, back_up: BackUp) -> None:
    backup = back_up("shop")
    before = (uploads / "one.txt").stat().st_mtime_ns
    assert before % 10**9
    restore(backup)
    assert (uploads / "one.txt").stat().st_mtime_ns == before
    assert look_at_tree(backup) == TreePreview(same=5)
    (uploads / "one.txt").write_text("eno")
    assert names(look_at_tree(backup).changing) == ["one.txt"]


def test_sockets_go_too_because_a_backup_leaves_them_out(uploads: Path, back_up: BackUp) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(str(uploads / "s"))
        backup = back_up("shop")
        found = look_at_tree(backup)
    assert [(entry.name, entry.type) for entry in found.going.named] == [("s", "socket")]


def test_folders_are_compared_in_their_own_order(uploads: Path, back_up: BackUp) -> None:
    for name in ("a", "a-b", "a.b", "b"):
        (uploads / name / "deep" / "er").mkdir(parents=True)
        (uploads / name / "deep" / "er" / "file").touch()
        (uploads / name / "z").touch()
    backup = back_up("shop")
    assert look(backup).status == "nothing"
    shutil.rmtree(uploads / "a-b" / "deep")
    (uploads / "a" / "deep" / "new").touch()
    (uploads / "a!").touch()
    found = look_at_tree(backup)
    assert names(found.going) == ["a!", "a/deep/new"]
    assert names(found.returning) == ["a-b/deep", "a-b/deep/er", "a-b/deep/er/file"]
    assert found.changing.count == 0


def test_names_of_any_bytes_are_compared_and_shown_as_text(uploads: Path, back_up: BackUp) -> None:
    odd = [b"caf\xe9", "café".encode(), b"a\nb", b"\x1b[31mred", "\u202egpj.exe".encode(), b"items", b"<script>", b" "]
    for name in odd[:4]:
        (uploads / os.fsdecode(name)).touch()
    backup = back_up("shop")
    assert look(backup).status == "nothing"
    for name in odd[4:]:
        (uploads / os.fsdecode(name)).touch()
    (uploads / os.fsdecode(odd[0])).unlink()
    found = look_at_tree(backup)
    assert names(found.going) == [" ", "<script>", "items", "\\u202egpj.exe"]
    assert names(found.returning) == ["caf\\udce9"]
    json.dumps(preview(backup, "shop").to_dict()).encode()


def test_many_names_are_counted_and_some_are_shown_from_any_number_on(uploads: Path, back_up: BackUp) -> None:
    backup = back_up("shop")
    for number in range(450):
        (uploads / f"new-{number:03}").touch()
    first, last = look_at_tree(backup).going, look_at_tree(backup, first_name=400).going
    assert (first.count, len(first.named), first.more) == (450, MOST_NAMES, 450 - MOST_NAMES)
    assert (last.count, names(last), last.more) == (450, [f"new-{number}" for number in range(400, 450)], 0)
    ended = command("restore", backup.pk, "--json")
    (shown,) = (one for one in ended.data["preview"]["components"] if one["name"] == "uploads")
    assert (shown["tree"]["going"]["count"], shown["tree"]["going"]["more"]) == (450, 450 - MOST_NAMES)


def test_an_undo_counts_what_came_after_the_restore_whatever_its_date(uploads: Path, back_up: BackUp) -> None:
    backup = back_up("shop")
    (uploads / "one.txt").unlink()
    (uploads / "of-the-bad-day").write_text("bad")
    done = restore(backup)
    (uploads / "since").write_text("since")
    os.utime(uploads / "since", (1_500_000_000, 1_500_000_000))
    assert done.safety_backup is not None

    found = look_at_tree(done.safety_backup, undo_of=done)

    assert names(found.going) == ["one.txt", "since"]
    assert names(found.returning) == ["of-the-bad-day"]
    undo(done)
    assert sorted(path.name for path in uploads.iterdir()) == ["album", "latest", "of-the-bad-day", "two.txt"]


def test_a_tree_without_its_list_is_unknown_until_a_dry_run_makes_it(uploads: Path, back_up: BackUp) -> None:
    backup = back_up("shop")
    TreeList.objects.all().delete()
    (uploads / "new").touch()
    found = look(backup)
    assert (found.status, found.loss_unknown) == ("unknown", True)
    assert "The list of what uploads.tar holds was not kept" in found.notes[0]
    assert "What uploads would lose is unknown." in preview(backup, "shop").loss

    text = command("restore", backup.pk, "--dry-run")

    assert text.code == 0
    assert "- new\n" in text.out
    assert look(backup).status == "loss"
    assert TreeListBlock.objects.count() == 1


def test_an_archive_file_is_compared_although_nothing_is_kept_of_it(
    uploads: Path, back_up: BackUp, home: Path, tmp_path: Path
) -> None:
    backup = back_up("shop")
    archive = shutil.copy(home / "backups" / "nas" / backup.backup_path, tmp_path / backup.backup_filename)
    BackupExecution.objects.all().delete()
    assert look(archive).status == "nothing"
    (uploads / "new").touch()
    (uploads / "two.txt").unlink()
    found = look_at_tree(archive)
    assert (names(found.going), names(found.returning), found.unknown) == (["new"], ["two.txt"], "")
    for how in ("--dry-run", "--json"):
        shown = command("restore", "--file", archive, "--instance", "shop", how, "--accept-unsigned")
        assert "new" in shown.out
    assert not TreeList.objects.exists()


def test_a_comparison_that_takes_too_long_is_unknown_with_what_was_found(
    uploads: Path, back_up: BackUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = back_up("shop")
    (uploads / "album" / "new").touch()
    (uploads / "a").touch()
    found = look(backup, seconds_for_trees=0)
    assert (found.status, found.loss_unknown) == ("unknown", True)
    assert "only a part of" in found.notes[0]

    clock = iter(range(1000))
    monkeypatch.setattr(tree_comparison.time, "monotonic", lambda: next(clock))
    partly = look(backup, seconds_for_trees=4)
    assert partly.status == "loss"
    assert partly.lost[0].startswith("at least 1 file of uploads that is not in the backup")


def test_a_folder_that_cannot_be_compared_is_unknown(
    uploads: Path, back_up: BackUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = back_up("shop")
    TreeListBlock.objects.update(content=b"somebody else's bytes")
    found = look(backup)
    assert (found.status, found.lost) == ("unknown", ())
    assert "The list of what uploads.tar holds is not as it was written" in found.notes[0]


def test_a_file_where_the_backup_has_a_folder_and_the_reverse_are_unknown(uploads: Path, back_up: BackUp) -> None:
    backup = back_up("shop")
    shutil.rmtree(uploads)
    uploads.write_text("a file")
    settings = uploads.parent / "settings.ini"
    settings.unlink()
    settings.mkdir()
    assert look(backup).status == look(backup, "settings").status == "unknown"


def test_what_a_missing_tree_gets_back_is_counted(uploads: Path, back_up: BackUp) -> None:
    backup = back_up("shop")
    shutil.rmtree(uploads)
    found = look(backup)
    assert found.tree is not None
    assert (found.state, found.status, found.tree.returning.count) == ("missing", "nothing", 5)
    assert found.loss == "5 entries of uploads that are not there now will be back"


def test_what_lies_on_another_host_is_unknown(uploads: Path, back_up: BackUp) -> None:
    backup = back_up("shop")
    uploads.parent.rename(uploads.parent.with_name("elsewhere"))
    found = look(backup)
    assert (found.state, found.status) == ("missing", "unknown")
    assert any("does not exist on this host" in note for note in found.notes)


@pytest.mark.parametrize("content", ["open = nope\n", "open = false, and more\n"])
def test_a_single_file_is_compared_by_its_content_whatever_its_date(
    uploads: Path, back_up: BackUp, content: str
) -> None:
    backup = back_up("shop")
    settings = uploads.parent / "settings.ini"
    assert look(backup, "settings").status == "nothing"
    settings.write_text(content)
    os.utime(settings, (1_500_000_000, 1_500_000_000))
    found = look(backup, "settings")
    assert found.status == "loss"
    assert found.lost[0].startswith("the present content of settings.ini (")


def test_rows_that_are_only_counted_are_never_called_safe(tmp_path: Path, declare: Declare, back_up: BackUp) -> None:
    make_database(tmp_path / "orders.db")
    declare(f'[shop]\nkind="generic"\nroot="{tmp_path}"\n[shop.components.orders]\nkind="sqlite"\npath="orders.db"\n')
    backup = back_up("shop")
    found = look(backup, "orders")
    assert (found.status, found.lost, found.loss_unknown) == ("unknown", (), False)
    assert found.assumed == ("Rows are counted, not compared: rows that were changed in place are not found.",)


def test_comments_of_a_configuration_file_are_a_loss(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    file = tacacs_root / "config" / "tacacs.conf"
    file.write_text(f"{file.read_text()}\n# the router in the cellar\n")
    shown = preview(backup, "tacacs-hq", ["config.file"])
    assert shown.loss == "What tacacs.conf holds besides its keys, such as comments, will be gone."
    file.write_text(file.read_text().replace("port = 49\n", ""))
    shown = preview(backup, "tacacs-hq", ["config.file"])
    assert (shown.loss, shown.status) == ("Nothing is known to be lost.", "unknown")


def test_a_restore_changes_exactly_what_was_named(uploads: Path, back_up: BackUp) -> None:
    before = tree(uploads)
    backup = back_up("shop")
    (uploads / "new").mkdir()
    (uploads / "new" / "file").touch()
    (uploads / "one.txt").write_text("another")
    (uploads / "two.txt").unlink()
    now = tree(uploads)
    found = look_at_tree(backup)
    assert set(names(found.going)) == now.keys() - before.keys()
    assert set(names(found.returning)) == before.keys() - now.keys()
    assert set(names(found.changing)) == {name for name in now.keys() & before.keys() if now[name] != before[name]}


def test_the_text_of_a_configuration_that_comes_from_a_url_is_not_lost(
    tacacs_root: Path, declare: Declare, back_up: BackUp
) -> None:
    backup = back_up()
    cache = tacacs_root / "data" / "config_baseline_cache.conf"
    cache.write_text(f"{(tacacs_root / 'config' / 'tacacs.conf').read_text()}\n# from the server\n")
    declare(f'[tacacs-hq]\nkind = "tacacs"\nroot = "{tacacs_root}"\nconfig = "https://config.example/tacacs.conf"\n')
    assert preview(backup, "tacacs-hq", ["config"]).loss == "Nothing is known to be lost."
