"""Many folders, and which of them hold a path: each path is resolved once, whatever their number."""

from collections.abc import Iterable
from pathlib import Path

from backups.lib.paths import Identity
from backups.lib.site_paths import Names, SitePath, SitePaths, is_covered, real


class Folders(SitePaths):
    """Folders, resolved when the object is made, and compared with paths as the site's own paths are."""

    def __init__(self, folders: Iterable[Path]) -> None:
        super().__init__([SitePath("folder", folder) for folder in folders])
        # by a folder at or above it and the names from there
        self._by_names: dict[tuple[Identity, Names], list[tuple[Path, Path]]] = {}
        for identity, found in self._found.items():
            for names, place, where in found:
                self._by_names.setdefault((identity, names), []).append((place.path, where))

    def all_holding(self, path: Path) -> set[Path]:
        """Return each of the folders that `path` is or lies in."""
        holding: set[Path] = set()
        for identity, names, above in self._trails(real(path)):
            for depth in range(len(names) + 1):
                for folder, where in self._by_names.get((identity, names[:depth]), ()):
                    if folder not in holding and not is_covered(where, above.joinpath(*names[:depth])):
                        holding.add(folder)
        return holding
