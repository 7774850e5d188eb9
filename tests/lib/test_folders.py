"""Many folders are compared with a path as each of them alone: through links, bind mounts, before the path exists."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from backups.lib.folders import Folders
from tests.lib.test_site_paths import WAYS, mounted, tree

__all__ = ["mounted", "tree"]


@pytest.mark.parametrize("way", WAYS)
def test_each_folder_that_holds_a_path_is_found_by_every_path(
    way: str,
    tree: Path,
    tmp_path: Path,
    mounted: ExitStack,
) -> None:
    where, root = WAYS[way](tmp_path, tree, mounted)
    folders = Folders([root, tree / "app", where])
    assert folders.all_holding(where) == {root, where}
    assert folders.all_holding(where / "later" / "usb") == {root, where}
    assert folders.all_holding(root / "app" / "data") == {root, tree / "app"}
    assert folders.all_holding(tmp_path) == set()
