"""Holding a live tree against the list of what it held when it was backed up, both read as streams."""

import os
import stat
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from backups.components.files.listing import FILE, FOLDER, LINK, SECOND, ListedEntry, position
from backups.lib.walk import TreeEntry


@dataclass(frozen=True, slots=True)
class Difference:
    """An entry that a restore takes away, brings back or changes; `size` in bytes, of what is lost where it is live."""

    name: str
    type: str
    size: int
    change: str = ""


@dataclass(slots=True)
class Differences:
    """How many there are of one sort and how many bytes their files have; `shown` are those in the window."""

    first: int
    most: int
    count: int = 0
    files: int = 0
    size: int = 0
    shown: list[Difference] = field(default_factory=list)

    def add(self, difference: Difference) -> None:
        if self.first <= self.count < self.first + self.most:
            self.shown.append(difference)
        self.count += 1
        if difference.type == FILE:
            self.files += 1
            self.size += difference.size


class TreeComparison:
    """What a restore of a tree takes away (`going`), brings back (`returning`) and replaces (`changing`).

    Names are kept of at most `most` of each, from number `first` on: a tree may have millions of them. The folders
    `staying` are not taken away, whether the backup has them or not.
    """

    def __init__(self, *, first: int = 0, most: int = 0, staying: Collection[str] = ()) -> None:
        self._staying = staying
        self.going = Differences(first, most)
        self.returning = Differences(first, most)
        self.changing = Differences(first, most)
        self.same = 0

    def run(self, live: Iterator[TreeEntry], listed: Iterator[ListedEntry], *, until: float) -> bool:
        """Compare both, which come in the order of `walk`; False where that was not done `until` then (monotonic).

        Lets the errors of both through; what was found before is true.
        """
        here, there = next(live, None), next(listed, None)
        while here is not None or there is not None:
            if time.monotonic() > until:
                return False
            if here is not None and there is not None and here.name == there.name:
                self._both(here, there)
                here, there = next(live, None), next(listed, None)
            elif here is not None and (there is None or position(here.name) < position(there.name)):
                if here.name not in self._staying or type_of(here) != FOLDER:
                    self.going.add(Difference(here.name, type_of(here), _size(here)))
                here = next(live, None)
            elif there is not None:
                self.returning.add(Difference(there.name, there.type, there.size))
                there = next(listed, None)
        return True

    def _both(self, here: TreeEntry, there: ListedEntry) -> None:
        if change := change_of(here, there):
            self.changing.add(Difference(here.name, type_of(here), _size(here), change))
        else:
            self.same += 1


def type_of(entry: TreeEntry) -> str:
    """Return what a live entry is, in a word."""
    if entry.is_special:
        return entry.kind
    return FILE if entry.is_file else FOLDER if stat.S_ISDIR(entry.info.st_mode) else LINK


def _size(entry: TreeEntry) -> int:
    return entry.info.st_size if entry.is_file else 0


def change_of(live: TreeEntry, listed: ListedEntry) -> str:
    """Return what tells the live entry from the one in the backup, in a few words; "" where nothing does.

    No content is read: a file of the same size and time is taken as unchanged. The times of folders and links say
    nothing.
    """
    info = live.info
    if (now := type_of(live)) != listed.type:
        return f"a {now} now, a {listed.type} in the backup"
    if listed.type == LINK:
        return "" if os.readlink(live.path.name, dir_fd=live.dir_fd) == listed.target else "another target"
    if listed.type == FILE and info.st_size != listed.size:
        return "another size"
    if listed.type == FILE and not _is_same_time(info.st_mtime_ns, listed):
        return "another time"
    if stat.S_IMODE(info.st_mode) != listed.mode:
        return "another mode"
    # as a restore: only root can bring owners back
    if os.geteuid() == 0 and (info.st_uid, info.st_gid) != (listed.uid, listed.gid):
        return "another owner"
    return ""


def _is_same_time(mtime_ns: int, listed: ListedEntry) -> bool:
    """Compare to the nanosecond, or to the second where one of the two has been in a tar, which keeps no more."""
    if listed.exact and mtime_ns % SECOND:
        return mtime_ns == listed.mtime_ns
    return _second(mtime_ns) == _second(listed.mtime_ns)


def _second(nanoseconds: int) -> int:
    """Round towards zero, as the tar does."""
    return nanoseconds // SECOND if nanoseconds >= 0 else -(-nanoseconds // SECOND)
