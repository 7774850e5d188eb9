"""A large tree is compared with its backup by two processes, each of which has every second entry."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from backups.archive.manifest.entry import Entry
from backups.components.files import compare
from backups.components.files.compare import first_difference
from backups.components.files.pack import pack_tree
from backups.errors import Cancelled
from backups.service.archives.verify import check_tree

NAMES = [f"folder/file-{number}" for number in range(6)]


@pytest.fixture
def live(disk_path: Path) -> Path:
    root = disk_path / "tree"
    (root / "folder").mkdir(parents=True)
    for name in NAMES:
        (root / name).write_text(name)
    os.link(root / NAMES[1], root / "second")
    return root


@pytest.fixture
def different(live: Path, disk_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str | None]:
    """Return what compares the tree with what it was."""
    tar, index = disk_path / "tree.tar", disk_path / "index"
    pack_tree(live, tar, lambda _: None, lambda _: None)
    check_tree(tar, Entry("tree.tar", 0, "", "data", "tree"), index)
    monkeypatch.setattr(compare, "SHARED_BYTES", 0)
    return lambda: first_difference(tar, live, lambda _: None, index=index)


def test_a_tree_that_did_not_change_has_no_difference(different: Callable[[], str | None]) -> None:
    assert different() is None


@pytest.mark.parametrize("name", NAMES)
def test_a_change_of_any_entry_is_found_whichever_process_has_it(
    name: str, live: Path, different: Callable[[], str | None]
) -> None:
    (live / name).write_text(name.upper())
    # the second name of a file comes first
    assert different() == ("second" if name == NAMES[1] else name)


@pytest.mark.parametrize("first", range(5))
def test_of_several_differences_the_first_is_named(first: int, live: Path, different: Callable[[], str | None]) -> None:
    for name in NAMES[first:]:
        (live / name).chmod(0o611)
    assert different() == (NAMES[first] if first > 1 else "second")


def test_entries_that_are_missing_or_new_are_found(live: Path, different: Callable[[], str | None]) -> None:
    (live / NAMES[4]).unlink()
    assert different() == NAMES[4]
    (live / NAMES[4]).write_text(NAMES[4])
    (live / "new").mkdir()
    assert different() == "new"


def test_a_comparison_by_two_processes_is_stopped_by_its_checkpoint(
    live: Path, disk_path: Path, different: Callable[[], str | None]
) -> None:
    def stop(_: int) -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled, match=r"^enough$"):
        first_difference(disk_path / "tree.tar", live, stop, index=disk_path / "index")
    assert different() is None
