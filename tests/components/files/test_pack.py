"""The files component: one file as it is, a tree as a nested tar that the stock program unpacks."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from backups.components.base import ExportContext
from backups.components.files import space
from backups.components.files.component import FilesComponent
from backups.errors import ComponentError, MissingComponent
from backups.lib.filesystem.walk import DRAFT_INSIDE, walk
from tests.support.programs import require

Tree = dict[str, tuple[int, str | bytes | None]]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "uploads"
    root.mkdir()
    return root


def export(path: Path, checkpoint: Callable[[int], None] = lambda _: None) -> tuple[Path, list[str]]:
    """Export `path`; return the exported file and the warnings."""
    folder = path.parent / "export"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    component = FilesComponent("up", path, member="up" + path.suffix)
    done = component.export(ExportContext(folder, 1.0, checkpoint))
    (part,) = done.parts
    assert (part.component, part.type, part.path) == ("up", "data", folder / part.name)
    assert part.path.stat().st_mode & 0o777 == 0o600
    assert set(folder.iterdir()) == {part.path, part.listing or part.path}
    return part.path, done.warnings


def unpacked(tar: Path) -> Path:
    folder = tar.parent.parent / "unpacked"
    folder.mkdir()
    run = subprocess.run(
        [require("tar"), "--extract", "--preserve-permissions", "--file", tar, "--directory", folder],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, "")
    return folder


def contents(root: Path) -> Tree:
    """Return mode and content, or target, of everything below `root`."""
    found: Tree = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = Path(folder, name)
            content = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else None
            found[str(path.relative_to(root))] = (path.lstat().st_mode, content)
    return found


def test_plain_tar_unpacks_a_tree_as_it_was(tree: Path) -> None:
    (tree / "a").mkdir(mode=0o750)
    (tree / "a" / "b").mkdir(mode=0o700)
    (tree / "a" / "b" / "run.sh").write_bytes(b"#!/bin/sh\n")
    (tree / "a" / "b" / "run.sh").chmod(0o4751)
    (tree / "a" / "empty").touch(mode=0o600)
    (tree / "zeros").write_bytes(bytes(1024))
    (tree / "odd").write_bytes(b"x" * 1025)
    os.utime(tree / "odd", (1_600_000_000, 1_600_000_000))
    (tree / "a" / "nothing").mkdir(mode=0o555)
    tar, warnings = export(tree)
    assert tar.name == "up.tar"
    assert tar.stat().st_size <= FilesComponent("up", tree, member="up").source_bytes() <= 2 * tar.stat().st_size
    assert warnings == []
    folder = unpacked(tar)
    assert contents(folder) == contents(tree)
    assert (folder / "odd").stat().st_mtime == 1_600_000_000


@pytest.mark.parametrize("deep", [True, False])
def test_a_tree_whose_entries_were_examined_is_not_read_again_for_its_size(
    tree: Path, monkeypatch: pytest.MonkeyPatch, *, deep: bool
) -> None:
    (tree / "folder").mkdir()
    (tree / "folder" / "file").write_bytes(bytes(5000))
    component, again = (FilesComponent("up", tree, member="up") for _ in range(2))
    expected, walks = again.source_bytes(), list[Path]()
    monkeypatch.setattr(space, "walk", lambda root, own: walks.append(root) or walk(root, own))
    assert list(component.obstacles(deep=deep)) == []
    assert component.source_bytes() == expected
    assert walks == ([] if deep else [tree])


def test_a_tree_whose_size_is_known_is_not_examined_again_for_that(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "file").write_bytes(bytes(5000))
    component, examined = FilesComponent("up", tree, member="up"), list[str]()
    expected = component.source_bytes()
    monkeypatch.setattr(space, "stored_bytes", lambda entry: examined.append(entry.name) or entry.info.st_size)
    assert list(component.obstacles()) == []
    assert component.source_bytes() == expected
    assert examined == []


def test_owners_are_kept(tree: Path) -> None:
    (tree / "theirs").touch()
    os.chown(tree / "theirs", 1234, 2_500_000)
    listing = subprocess.run(
        [require("tar"), "--list", "--verbose", "--numeric-owner", "--file", export(tree)[0]],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "1234/2500000" in listing.stdout


NAMES = [
    "with space", "ünïcødé-文字", "line\nbreak", "tab\tand\x1b[31mred", "-rf", "quote\"'`$(x)", "back\\slash",
    ".hidden", "trailing ", "l" * 255, "日" * 85,
]  # fmt: skip


def test_odd_names_are_kept(tree: Path) -> None:
    for name in NAMES:
        (tree / name).write_text(name)
        (tree / "deeper" / name).parent.mkdir(exist_ok=True)
        (tree / "deeper" / name).write_text(name)
    assert contents(unpacked(export(tree)[0])) == contents(tree)


def test_a_name_that_is_no_text_is_kept(tree: Path) -> None:
    Path(os.fsdecode(os.fsencode(tree) + b"/caf\xe9")).write_text("latin-1")
    assert contents(unpacked(export(tree)[0])) == contents(tree)


def test_a_path_longer_than_256_characters_is_kept(tree: Path) -> None:
    folder = tree.joinpath(*["d" * 100] * 10)
    folder.mkdir(parents=True)
    (folder / "file").write_text("deep")
    (folder / "link").symlink_to("t" * 300)
    assert contents(unpacked(export(tree)[0])) == contents(tree)


def test_an_empty_tree_is_an_empty_tar(tree: Path) -> None:
    assert contents(unpacked(export(tree)[0])) == {}


def test_symlinks_are_kept_and_never_followed(tree: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret of somebody else")
    (tree / "to-file").symlink_to(outside / "secret")
    (tree / "to-folder").symlink_to(outside)
    (tree / "to-nowhere").symlink_to("nowhere")
    (tree / "to-itself").symlink_to("to-itself")
    (tree / "to-parent").symlink_to("..")
    tar, _ = export(tree)
    assert b"secret of somebody else" not in tar.read_bytes()
    assert contents(unpacked(tar)) == contents(tree)


def test_pipes_and_sockets_are_left_out_with_a_warning_and_never_block(tree: Path) -> None:
    (tree / "file").write_text("kept")
    os.mkfifo(tree / "pipe\n")
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.open(tree, os.O_RDONLY)
        listening.bind(f"/proc/self/fd/{here}/sock")
        os.close(here)
        tar, warnings = export(tree)
    assert warnings == [f"{tree}/pipe\\n is a pipe and was left out", f"{tree}/sock is a socket and was left out"]
    assert list(contents(unpacked(tar))) == ["file"]


def test_what_a_killed_restore_left_is_left_out_with_a_warning(tree: Path) -> None:
    (tree / DRAFT_INSIDE).mkdir()
    (tree / DRAFT_INSIDE / "moved aside").write_text("live data")
    (tree / "volume").mkdir()
    (tree / "volume" / DRAFT_INSIDE).touch()
    tar, warnings = export(tree)
    assert warnings == [
        f"{path}/.backupsite-restoring was left out: a restore that was killed left it, perhaps with files of this"
        " tree; its rollback, or the next restore, settles it"
        for path in (tree, tree / "volume")
    ]
    assert list(contents(unpacked(tar))) == ["volume"]


def test_a_sparse_file_is_kept(tree: Path) -> None:
    with (tree / "sparse").open("wb") as file:
        file.seek(50_000_000)
        file.write(b"end")
    folder = unpacked(export(tree)[0])
    subprocess.run([require("cmp"), folder / "sparse", tree / "sparse"], check=True)


def test_a_single_file_is_copied_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "settings.ini"
    path.write_bytes(os.urandom(3_000_000))
    exported, warnings = export(path)
    assert (exported.name, warnings) == ("up.ini", [])
    assert exported.read_bytes() == path.read_bytes()


def test_a_pipe_in_the_place_of_the_file_is_an_error_and_never_blocks(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "settings.ini")
    with pytest.raises(ComponentError, match=rf"^{tmp_path}/settings\.ini is not a regular file\.$"):
        export(tmp_path / "settings.ini")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingComponent, match=rf"^{tmp_path}/none does not exist\.$"):
        FilesComponent("up", tmp_path / "none", member="up").export(ExportContext(tmp_path, 1.0, lambda _: None))
