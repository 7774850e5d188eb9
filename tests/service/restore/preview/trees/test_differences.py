"""What a restore takes away of a tree of files, by name, whatever its date."""

import json
import os
import shutil
import socket
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from backups.service.restore.preview.build import preview
from backups.service.restore.preview.tree import MOST_NAMES, TreePreview
from tests.support.call_commands import command
from tests.support.programs import require
from tests.support.restores.component_restores import restore
from tests.support.restores.instance_restores import tree, undo
from tests.support.restores.uploads import look, look_at_tree, names
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db


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


def test_what_was_restored_is_the_same_although_a_tar_keeps_whole_seconds(uploads: Path, back_up: BackUp) -> None:
    backup = back_up("shop")
    assert (uploads / "one.txt").stat().st_mtime_ns % 10**9
    restore(backup)
    assert (uploads / "one.txt").stat().st_mtime_ns % 10**9 == 0
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
