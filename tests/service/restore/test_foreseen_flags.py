"""Files and folders that are immutable or append-only: said by the backup, and refused before anything changes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from backups.checks.instances.described import check_restorable
from backups.components.files.component import FilesComponent
from backups.components.sqlite.component import SQLiteComponent
from backups.errors import Untouched
from backups.service.drill.run import drill
from backups.service.restore.preview.build import preview
from tests.service.restore.test_foreseen import dry_run
from tests.support.file_systems import flagged
from tests.support.restores.component_restores import restore
from tests.support.restores.instance_restores import tree
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def tmp_path(disk_path: Path) -> Path:
    """Return a folder of the disk: not every system has flags on file systems in memory."""
    return disk_path


@pytest.mark.parametrize(("flag", "word"), [("i", "immutable"), ("a", "append-only")])
def test_a_flag_in_a_tree_is_said_everywhere(flag: str, word: str, small_shop: Path, back_up: BackUp) -> None:
    uploads = small_shop / "uploads"
    good = back_up("shop")
    assert good.warnings == []
    with flagged(uploads / "photo", flag):
        before = tree(uploads)
        reason = f"{uploads}/photo is {word}"
        warned = back_up("shop")
        assert (warned.status, [reason in one for one in warned.warnings]) == ("completed", [True])
        assert [reason in one for one in preview(good, "shop").refusals] == [True]
        # without time to compare the tree it is not gone through for this either, and the preview is not green
        hurried = preview(good, "shop", seconds_for_trees=0)
        assert (hurried.refusals, hurried.status) == ((), "unknown")
        assert any(reason in warning for warning in drill(good, by="tests").warnings)
        for attempt in (dry_run, restore):
            with pytest.raises(Untouched, match=f"photo is {word}") as refused:
                attempt(good)
            assert refused.value.hint == f"Remove that flag: chattr -{flag} {uploads}/photo"
        assert tree(uploads) == before
    restore(good)


def test_check_names_what_needs_no_walk(small_shop: Path, back_up: BackUp) -> None:
    with flagged(small_shop / "orders.db", "i"), flagged(small_shop / "uploads", "a"):
        assert sorted(one.msg.rpartition(": ")[2] for one in check_restorable(None)) == [
            f"{small_shop}/orders.db is immutable.",
            f"{small_shop}/uploads is append-only.",
        ]


def file_component(path: Path) -> FilesComponent:
    return FilesComponent("file", path, member="file")


def database_component(path: Path) -> SQLiteComponent:
    return SQLiteComponent("file", path, member="file")


@pytest.mark.parametrize("flag", ["i", "a"])
@pytest.mark.parametrize("component", [file_component, database_component])
def test_a_single_file_with_a_flag_is_foreseen(
    component: Callable[[Path], FilesComponent | SQLiteComponent], flag: str, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.touch()
    assert list(component(path).obstacles()) == []
    with flagged(path, flag):
        (obstacle,) = component(path).obstacles()
        assert str(path) in obstacle.hint
    assert list(component(path).obstacles()) == []


@pytest.mark.parametrize("flag", ["i", "a"])
def test_a_folder_with_a_flag_takes_no_new_file_and_no_journal(flag: str, tmp_path: Path) -> None:
    path, folder = tmp_path / "folder" / "file", tmp_path / "folder"
    folder.mkdir()
    with flagged(folder, flag):
        for component in (file_component(path), database_component(path)):
            (obstacle,) = component.obstacles()
            assert (str(path) in obstacle.message, f"chattr -{flag} {folder}" in obstacle.hint) == (True, True)
    path.touch()
    with flagged(folder, flag):
        (obstacle,) = database_component(path).obstacles()
        assert f"chattr -{flag} {folder}" in obstacle.hint
        # a file in it can be written into
        assert list(file_component(path).obstacles()) == []


@pytest.mark.parametrize("flag", ["i", "a"])
def test_a_tree_below_a_folder_with_a_flag_is_restored_in_place(flag: str, small_shop: Path, back_up: BackUp) -> None:
    good = back_up("shop")
    (small_shop / "uploads" / "photo").write_bytes(b"changed")
    with flagged(small_shop, flag):
        restore(good, "uploads")
    assert (small_shop / "uploads" / "photo").read_bytes() == b"photo"


def test_a_tree_that_cannot_be_removed_whole_is_not_begun(tmp_path: Path) -> None:
    live = tmp_path / "live"
    live.mkdir()
    for name in "abc":
        (live / name).touch()
    with flagged(live / "b", "i"):
        with pytest.raises(Untouched, match="b is immutable"):
            file_component(live).remove()
        assert sorted(path.name for path in live.iterdir()) == ["a", "b", "c"]
