"""Scopes: which entries of a tree are replaced together, in one folder of one file system."""

from dataclasses import dataclass

from backups.components.files.format.header import ROOT
from backups.lib.site_paths import NO_SITE_PATHS_BELOW, SitePathsBelow


@dataclass(frozen=True, slots=True)
class Scope:
    """What lies below the folder `root` of a tree ("" for all of it), without the site's `own` paths and the `mounts`.

    All names are relative to the tree, but `inner` ones to `root`.
    """

    own: SitePathsBelow = NO_SITE_PATHS_BELOW
    root: str = ""
    mounts: frozenset[str] = frozenset()

    def inner(self, name: str) -> str | None:
        """Return the name within this scope of an entry of the tree; ROOT for `root`, None for what is not in it."""
        if self.own and self.own.holds(name):
            return None
        if self.mounts and self._is_mounted(name):
            return None
        if not self.root:
            return name
        if name == self.root:
            return ROOT
        return name[len(self.root) + 1 :] if name.startswith(f"{self.root}/") else None

    def holds(self, inner: str) -> bool:
        """Return whether the entry below `root` stays where it is or lies in such a place: it is not of this scope."""
        if not (self.own or self.mounts):
            return False
        return self.inner(f"{self.root}/{inner}" if self.root else inner) is None

    def _is_mounted(self, name: str) -> bool:
        """Return whether the entry `name` of the tree is or lies in one of the mounts."""
        while name:
            if name in self.mounts:
                return True
            name = name.rpartition("/")[0]
        return False

    @property
    def ways(self) -> list[str]:
        """Return the folders of this scope that lead to such entries, parents first."""
        leading = {*self.own.ways}
        for place in (*self.mounts, *self.own.places):
            parent = place.rpartition("/")[0]
            while parent:
                leading.add(parent)
                parent = parent.rpartition("/")[0]
        found = {inner for name in leading if (inner := self.inner(name)) not in (None, ROOT)}
        return sorted(inner for inner in found if inner)


WHOLE = Scope()
