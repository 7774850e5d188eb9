"""The site's own places, found wherever they lie inside a service: archives, workspaces, database, keys and logs.

A place is known by where its path leads and by what lies there (device and inode), so that symbolic links, bind mounts
and other spellings of a path lead to it too. One that does not exist yet is known by the nearest folder above it.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from backups.lib.mounts import Mount, mounts, spellings

MOST_LINKS = 40  # as many as the kernel follows
ALONE = re.compile("")
# what SQLite keeps beside a database
DATABASE_FILES = re.compile("(-wal|-shm|-journal)?")
# what logrotate makes of a log: backupsite.log.1, backupsite.log.2.gz, backupsite.log-20260102
LOG_FILES = re.compile(r"([.-][0-9][0-9-]*(\.[a-z0-9]+)?)?")

Identity = tuple[int, int]
Names = tuple[str, ...]
# a folder on the way to a path: what it is, the names that lead on from there, and where it lies
Step = tuple[Identity, Names, Path]


@dataclass(frozen=True, slots=True)
class Place:
    """A file or folder of the site; `what` lies there, and files beside it belong to it by the end of their names."""

    what: str
    path: Path
    beside: re.Pattern[str] = ALONE

    def has_name(self, own: str, name: str) -> bool:
        """True when `name` is its `own` name, or that of a file beside it that belongs to it."""
        return name.startswith(own) and self.beside.fullmatch(name[len(own) :]) is not None


class PlacesBelow:
    """The places below one folder, by their names in it: "var/backups"."""

    def __init__(self, found: Mapping[Names, Place]) -> None:
        outermost = {
            names: place for names, place in found.items() if not any(names[:n] in found for n in _lengths(names))
        }
        self.places = {"/".join(names): outermost[names] for names in sorted(outermost)}
        # the folders on the way to them, the upper ones first
        self.ways = sorted({"/".join(names[:n]) for names in outermost for n in _lengths(names)})
        self._by_folder: dict[str, list[tuple[str, Place]]] = {}
        for name, place in self.places.items():
            folder, _, own = name.rpartition("/")
            self._by_folder.setdefault(folder, []).append((own, place))

    def __bool__(self) -> bool:
        return bool(self.places)

    def holds(self, name: str) -> bool:
        """True when `name` is one of the places, or lies in one."""
        return bool(self.places) and self._place_of(name) is not None

    def _place_of(self, name: str) -> Place | None:
        folder = ""
        for part in name.split("/"):
            for own, place in self._by_folder.get(folder, ()):
                if place.has_name(own, part):
                    return place
            folder = f"{folder}/{part}" if folder else part
        return None

    def existing(self, root: Path) -> Iterator[tuple[str, Place]]:
        """Yield the places that are there below `root`; of a file and those beside it the name of the file."""
        for name, place in self.places.items():
            path = root / name
            if os.path.lexists(path) or _any_beside(path, place):
                yield name, place


def _lengths(names: Names) -> range:
    return range(1, len(names))


def _any_beside(path: Path, place: Place) -> bool:
    if place.beside is ALONE:
        return False
    try:
        return any(place.has_name(path.name, name) for name in os.listdir(path.parent))  # noqa: PTH208 - names alone
    except OSError:  # not there, or out of reach: then it is out of reach of a backup too
        return False


NO_PLACES_BELOW = PlacesBelow({})


class OwnPlaces:
    """All places of the site as they lie now."""

    def __init__(self, places: Iterable[Place]) -> None:
        self._mounts: list[Mount] = []
        self._found: dict[Identity, list[tuple[Names, Place, Path]]] = {}
        places = tuple(places)
        if places:
            self._mounts = mounts()
        for place in places:
            for where in _locations(place.path):
                self._add(place, where)
        # all that is mounted in a folder of the site is the site's, wherever else it can be seen
        for place in places:
            where = _real(place.path)
            for mount in self._mounts:
                if mount.point != where and mount.point.is_relative_to(where):
                    self._add(place, mount.point)

    def _add(self, place: Place, where: Path) -> None:
        for identity, names, _ in self._trails(where):
            self._found.setdefault(identity, []).append((names, place, where))

    def _trails(self, where: Path) -> Iterator[Step]:
        """Yield each folder at or above `where`, and at or above each other spelling of it."""
        nearest = None
        for spelling in spellings(where, self._mounts):
            trail = list(_trail(spelling))
            nearest = nearest or trail[0][:2]
            # another mount may hide what this spelling would lead to
            if trail[0][:2] == nearest:
                yield from trail

    def holding(self, path: Path) -> Place | None:
        """Return the place that `path` is or lies in."""
        for identity, names, folder in self._trails(_real(path)):
            for theirs, place, where in self._found.get(identity, ()):
                if _lies_in(names, theirs, place) and not _differ(where, folder.joinpath(*theirs)):
                    return place
        return None

    def below(self, path: Path) -> PlacesBelow:
        """Return the places that lie below the folder `path`."""
        if not self._found:
            return NO_PLACES_BELOW
        root, found = _real(path), {}
        for identity, names, _ in self._trails(root):
            for theirs, place, where in self._found.get(identity, ()):
                inner = theirs[len(names) :]
                if inner and theirs[: len(names)] == names and not _differ(where, root.joinpath(*inner)):
                    found[inner] = place
        return PlacesBelow(found) if found else NO_PLACES_BELOW


NO_PLACES = OwnPlaces(())


def _differ(where: Path, seen: Path) -> bool:
    """True when `seen`, by which a place would be reached too, is something else: a mount may lie over it."""
    mine, theirs = _identity(where), _identity(seen)
    return None not in (mine, theirs) and mine != theirs


def _lies_in(names: Names, theirs: Names, place: Place) -> bool:
    if len(names) < len(theirs):
        return False
    if not theirs:
        return True
    *folders, own = theirs
    return names[: len(folders)] == tuple(folders) and place.has_name(own, names[len(folders)])


def _real(path: Path) -> Path:
    *_, real = _locations(path)
    return real


def _locations(path: Path) -> list[Path]:
    """Return each symbolic link on the way of `path`, where it really lies, and last where the path ends.

    Who takes a link away takes the place away from the site.
    """
    links: list[Path] = []
    here, ahead = Path("/"), _parts(path.absolute())
    while ahead:
        name = ahead.pop()
        if name == "..":
            here = here.parent
            continue
        entry = here / _spelled(here, name)
        if len(links) < MOST_LINKS and os.path.islink(entry):  # noqa: PTH114 - Path raises where it may not look
            links.append(entry)
            target = entry.readlink()
            here = Path("/") if target.is_absolute() else here
            ahead += _parts(target)
        else:
            here = entry
    return [*links, here]


def _parts(path: Path) -> list[str]:
    """Return the names of `path`, the first one last."""
    return [part for part in reversed(path.parts) if part != "/"]


def _spelled(folder: Path, name: str) -> str:
    """Return `name` as it stands in `folder`, which may take upper and lower case for the same."""
    other = name.swapcase()
    mine, theirs = _identity(folder / name), _identity(folder / other)
    if other == name or mine is None or mine != theirs:
        return name
    try:
        known = os.listdir(folder)  # noqa: PTH208 - names alone
    except OSError:  # it may be passed through and not read
        return name
    if name in known:
        return name
    return next((entry for entry in known if _identity(folder / entry) == mine), name)


def _identity(path: Path) -> Identity | None:
    """Return device and inode of `path` itself, of a link too; None when it cannot be looked at."""
    try:
        info = path.lstat()
    except OSError:
        return None
    return info.st_dev, info.st_ino


def _trail(path: Path) -> Iterator[Step]:
    """Yield what exists at or above `path`, the nearest first."""
    for folder in (path, *path.parents):
        if (identity := _identity(folder)) is not None:
            yield identity, path.relative_to(folder).parts, folder
