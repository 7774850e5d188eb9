"""The check of paths looks at the file system once for each path, not for each pair of instances."""

from pathlib import Path

import pytest

from backups.checks.instances.site_paths import check_own_places
from tests.support.site_fixtures import Declare

GENERIC = '[{name}]\nkind = "generic"\nroot = "{root}"\ncomponents.orders = {{kind = "files", path = "orders"}}\n'


def test_the_system_calls_for_paths_of_instances_grow_as_their_number(
    tmp_path: Path, declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, counts, real = [0], [], Path.lstat

    def lstat(path: Path) -> object:
        seen[0] += 1
        return real(path)

    for number in (4, 40):
        text = ""
        for index in range(number):
            root = tmp_path / f"{number}-{index}"
            (root / "orders").mkdir(parents=True)
            text += GENERIC.format(name=f"shop{number}-{index}", root=root)
        declare(text)
        seen[0] = 0
        with monkeypatch.context() as patched:
            patched.setattr(Path, "lstat", lstat)
            assert check_own_places(None) == []
        counts.append(seen[0])
    assert counts[1] <= 10 * counts[0]
