"""Trees and files that change, vanish or cannot be read while they are backed up."""

import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backups.components.base import ExportContext
from backups.components.files.component import FilesComponent
from backups.errors import Cancelled, ComponentError
from tests.support.processes.file_limits import files_to_open, open_files
from tests.support.processes.unprivileged_user import as_nobody


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "uploads"
    root.mkdir()
    return root


def export(path: Path, checkpoint: Callable[[int], None]) -> None:
    folder = path.parent / "export"
    folder.mkdir()
    FilesComponent("up", path, member="up").export(ExportContext(folder, 1.0, checkpoint))


@contextmanager
def when_half_is_read(happens: Callable[[], object]) -> Iterator[Callable[[int], None]]:
    """Yield a checkpoint that lets something happen once, while a file is being read."""
    once = iter([happens])
    yield lambda _: (next(once, None) or (lambda: None))() and None


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


CHANGES: dict[str, Callable[[Path], object]] = {
    "grows": append,
    "shrinks": lambda path: os.truncate(path, 1_200_000),
    "is overwritten": lambda path: path.write_bytes(b"!" * 3_000_000),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("in_tree", [True, False], ids=["in a tree", "alone"])
def test_a_file_that_changes_while_it_is_read_is_an_error(tree: Path, change: str, in_tree: bool) -> None:
    path = tree / "big"
    path.write_bytes(bytes(3_000_000))
    with (
        when_half_is_read(lambda: CHANGES[change](path)) as checkpoint,
        pytest.raises(ComponentError, match=rf"^{path} changed while it was read\.$") as refused,
    ):
        export(tree if in_tree else path, checkpoint)
    assert refused.value.hint.startswith("Back it up when nothing writes to it")


@pytest.mark.parametrize(
    ("read_first", "vanishing"),
    [("a", "z"), ("a", "folder"), ("folder/a", "folder/z")],
    ids=["file", "folder", "below"],
)
def test_what_vanishes_from_a_tree_while_it_is_read_is_an_error(tree: Path, read_first: str, vanishing: str) -> None:
    (tree / "folder").mkdir()
    for name in ("a", "z", "folder/a", "folder/z"):
        (tree / name).touch()
    (tree / read_first).write_bytes(bytes(3_000_000))
    with (
        when_half_is_read(lambda: shutil.move(tree / vanishing, tree.parent / "moved")) as checkpoint,
        pytest.raises(ComponentError, match=rf"^{tree / vanishing} vanished while it was read\.$"),
    ):
        export(tree, checkpoint)


@pytest.mark.parametrize("locked", ["file", "folder"])
def test_what_cannot_be_read_in_a_tree_is_named_by_its_whole_path(tree: Path, tmp_path: Path, locked: str) -> None:
    tree.chmod(0o755)
    (tree / "folder").mkdir()
    (tree / "file").write_text("private")
    (tree / "folder").chmod(0o755)
    (tree / "file").chmod(0o644)
    (tree / locked).chmod(0)
    error = as_nobody(tmp_path, "files", str(tree))
    assert error == (
        f"ComponentError: {tree / locked} cannot be read: Permission denied."
        " (Check that this user may read the file and its folder.)"
    )


def test_a_copy_can_be_cancelled_in_the_middle_of_a_file(tree: Path) -> None:
    (tree / "big").write_bytes(bytes(5_000_000))
    copied = 0

    def cancel(size: int) -> None:
        nonlocal copied
        copied += size
        if copied > 1_000_000:
            raise Cancelled("cancelled by tests")

    with pytest.raises(Cancelled):
        export(tree, cancel)
    assert copied < 5_000_000


def test_a_tree_deeper_than_files_can_be_open_is_packed_and_leaves_nothing_open(tree: Path) -> None:
    here = os.open(tree, os.O_RDONLY)
    for _ in range(150):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    before = open_files()
    with files_to_open(100):
        export(tree, lambda _: None)
    assert open_files() == before
    with tarfile.open(tree.parent / "export" / "up.tar") as tar:
        assert len(tar.getnames()) == 151
