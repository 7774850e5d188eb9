"""The site's own files (archives, workspaces, database, keys, logs) and whether they lie inside a service's folders.

Paths are compared after resolving links and by device and inode, so that symbolic links, bind mounts and spellings on
case-insensitive file systems are recognised. A path that does not exist yet is located by its nearest existing parent.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from backups.lib.paths import Identity
from destinations.lib.mounts import Mount, lies_in, mounts, spellings

MOST_LINKS = 40  # the limit of the kernel
ALONE = re.compile("")
# suffixes of SQLite's files beside a database
DATABASE_FILES = re.compile("(-wal|-shm|-journal)?")
# suffixes of rotated logs: backupsite.log.1, backupsite.log.2.gz, backupsite.log-20260102
LOG_FILES = re.compile(r"([.-][0-9][0-9-]*(\.[a-z0-9]+)?)?")

Names = tuple[str, ...]
# a folder at or above a path: its identity, the names from there to the path, and its own path
Step = tuple[Identity, Names, Path]


def database_file(database: Mapping[str, Any]) -> Path | None:
    """Return the file of a SQLite database by its settings in Django; None for one in memory or on a server."""
    name = str(database["NAME"])
    if database["ENGINE"] != "django.db.backends.sqlite3" or name == ":memory:":
        return None
    if not name.startswith("file:"):
        return Path(name)
    uri = urlsplit(name)
    return None if parse_qs(uri.query).get("mode") == ["memory"] else Path(unquote(uri.path))


@dataclass(frozen=True, slots=True)
class SitePath:
    """A file or folder that holds `what`; `beside` matches the suffixes of files that belong to it.

    One that is not `of_site` is treated in the same way: no backup holds it, and no restore changes it.
    """

    what: str
    path: Path
    beside: re.Pattern[str] = ALONE
    of_site: bool = True

    @property
    def description(self) -> str:
        return f"{self.what} of this site" if self.of_site else self.what

    def has_name(self, own: str, name: str) -> bool:
        """True when `name` is its `own` name, or that with a suffix that `beside` matches."""
        return name.startswith(own) and self.beside.fullmatch(name[len(own) :]) is not None


class SitePathsBelow:
    """The site's paths below one folder, relative to it: "var/backups"."""

    def __init__(self, found: Mapping[Names, SitePath]) -> None:
        # without those that lie in another one
        outermost = {
            names: place
            for names, place in found.items()
            if not any(names[:length] in found for length in range(1, len(names)))
        }
        self.places = {"/".join(names): outermost[names] for names in sorted(outermost)}
        # the folders above them, parents first
        self.ways = sorted({"/".join(names[:length]) for names in outermost for length in range(1, len(names))})
        self._by_folder: dict[str, list[tuple[str, SitePath]]] = {}
        for name, place in self.places.items():
            folder, _, own = name.rpartition("/")
            self._by_folder.setdefault(folder, []).append((own, place))

    def __bool__(self) -> bool:
        return bool(self.places)

    def holds(self, name: str) -> bool:
        """True when `name` is one of the paths, or lies in one."""
        if not self.places:
            return False
        folder = ""
        for part in name.split("/"):
            for own, place in self._by_folder.get(folder, ()):
                if place.has_name(own, part):
                    return True
            folder = f"{folder}/{part}" if folder else part
        return False

    def existing(self, root: Path) -> Iterator[tuple[str, SitePath]]:
        """Yield the paths that exist below `root`, also when only a file with a suffix of `beside` exists."""
        for name, place in self.places.items():
            path = root / name
            found = os.path.lexists(path)
            if not found and place.beside is not ALONE:
                # what cannot be listed here cannot be read by a backup either
                with suppress(OSError):
                    found = any(place.has_name(path.name, entry) for entry in os.listdir(path.parent))  # noqa: PTH208
            if found:
                yield name, place


NO_SITE_PATHS_BELOW = SitePathsBelow({})


class SitePaths:
    """All paths of the site, resolved when the object is made."""

    def __init__(self, places: Iterable[SitePath]) -> None:
        self._mounts: list[Mount] = []
        self._found: dict[Identity, list[tuple[Names, SitePath, Path]]] = {}
        places = tuple(places)
        if places:
            self._mounts = mounts()
        located = [(place, _locations(place.path)) for place in places]
        for place, wheres in located:
            for where in wheres:
                self._add(place, where)
        # what is mounted in a folder of the site belongs to the site at its other mount points too
        for place, (*_, where) in located:
            for mount in self._mounts:
                if mount.point != where and lies_in(mount.point, where):
                    self._add(place, mount.point)

    def _add(self, place: SitePath, where: Path) -> None:
        for identity, names, _ in self._trails(where):
            self._found.setdefault(identity, []).append((names, place, where))

    def _trails(self, where: Path) -> Iterator[Step]:
        """Yield the existing folders at or above `where`, under each path that mounts give it, nearest first."""
        nearest = None
        for spelling in spellings(where, self._mounts):
            parts = spelling.parts
            trail: list[Step] = [
                (identity, parts[len(parts) - above :], folder)
                for above, folder in enumerate((spelling, *spelling.parents))
                if (identity := _identity(folder)) is not None
            ]
            nearest = nearest or trail[0][:2]
            # another mount may lie over this spelling
            if trail[0][:2] == nearest:
                yield from trail

    def holding(self, path: Path) -> SitePath | None:
        """Return the path of the site that `path` is or lies in."""
        for identity, names, folder in self._trails(real(path)):
            for theirs, place, where in self._found.get(identity, ()):
                if theirs:
                    *folders, own = theirs
                    depth = len(folders)
                    if len(names) <= depth or names[:depth] != tuple(folders) or not place.has_name(own, names[depth]):
                        continue
                if not is_covered(where, folder.joinpath(*theirs)):
                    return place
        return None

    def below(self, path: Path) -> SitePathsBelow:
        """Return the paths of the site that lie below the folder `path`."""
        if not self._found:
            return NO_SITE_PATHS_BELOW
        root, found = real(path), {}
        for identity, names, _ in self._trails(root):
            for theirs, place, where in self._found.get(identity, ()):
                inner = theirs[len(names) :]
                if inner and theirs[: len(names)] == names and not is_covered(where, root.joinpath(*inner)):
                    found[inner] = place
        return SitePathsBelow(found) if found else NO_SITE_PATHS_BELOW


NO_SITE_PATHS = SitePaths(())


def is_covered(where: Path, alias: Path) -> bool:
    """True when `alias`, another path of `where`, is another file, because something is mounted over it."""
    mine, theirs = _identity(where), _identity(alias)
    return None not in (mine, theirs) and mine != theirs


def real(path: Path) -> Path:
    """Return the resolved path, with the names as their folders spell them."""
    *_, real = _locations(path)
    return real


def _locations(path: Path) -> list[Path]:
    """Return the real path of each symbolic link on the way of `path`, and last the resolved path.

    The links count as the site's too: without them it would not find its files.
    """
    links: list[Path] = []
    here, ahead = Path("/"), _parts(path.absolute())
    while ahead:
        name = ahead.pop()
        if name == "..":
            here = here.parent
            continue
        entry = here / _spelled(here, name)
        if len(links) < MOST_LINKS and os.path.islink(entry):  # noqa: PTH114 - Path raises PermissionError
            links.append(entry)
            target = entry.readlink()
            here = Path("/") if target.is_absolute() else here
            ahead += _parts(target)
        else:
            here = entry
    return [*links, here]


def _parts(path: Path) -> list[str]:
    """Return the names in `path` in reverse order."""
    return [part for part in reversed(path.parts) if part != "/"]


def _spelled(folder: Path, name: str) -> str:
    """Return `name` as `folder`, which may be case-insensitive, spells it."""
    other = name.swapcase()
    mine, theirs = _identity(folder / name), _identity(folder / other)
    # in a case-insensitive folder both spellings are one file
    if other == name or mine is None or mine != theirs:
        return name
    try:
        known = os.listdir(folder)  # noqa: PTH208 - names alone
    except OSError:  # execute permission without read permission
        return name
    if name in known:
        return name
    return next((entry for entry in known if _identity(folder / entry) == mine), name)


def _identity(path: Path) -> Identity | None:
    """Return device and inode of `path`, links not followed; None when it cannot be read."""
    try:
        info = path.lstat()
    except OSError:
        return None
    return info.st_dev, info.st_ino
