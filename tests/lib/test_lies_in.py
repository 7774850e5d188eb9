"""Whether a path lies in a folder, by its text."""

from itertools import product
from pathlib import Path

from destinations.lib.mounts import lies_in

PATHS = [Path(text) for text in ("/", "/a", "/a/b", "/ab", "/a/bc", "/a/b/c", "/b", "a", "a/b", "/a b", "/ä/b", "/ä")]


def test_it_is_what_pathlib_finds_out_part_by_part() -> None:
    differing = [(path, folder) for path, folder in product(PATHS, PATHS)
                 if lies_in(path, folder) != path.is_relative_to(folder)]  # fmt: skip
    assert differing == []
