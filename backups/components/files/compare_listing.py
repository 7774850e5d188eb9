"""Comparing a live tree with the listing of its backup, both read as streams."""

import os
import stat
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from backups.components.files.format.header import FILE, FOLDER, LINK, SECOND
from backups.components.files.listing import ListedEntry, position
from backups.lib.filesystem.walk import TreeEntry


@dataclass(frozen=True, slots=True)
class Difference:
    """An entry that a restore removes, creates or changes; `size` in bytes, of the live file where there is one."""

    name: str
    type: str
    size: int
    change: str = ""


@dataclass(slots=True)
class Differences:
    """Differences of one sort: their count, files and bytes; `shown` are those on the requested page."""

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
    """What a restore of a tree removes (`going`), creates (`returning`) and replaces (`changing`).

    Of each sort at most `most` names are kept, from number `first` on: a tree may have millions. The folders `staying`
    are not removed, whether the backup has them or not.
    """

    def __init__(self, *, first: int = 0, most: int = 0, staying: Collection[str] = ()) -> None:
        self._staying = staying
        self.going = Differences(first, most)
        self.returning = Differences(first, most)
        self.changing = Differences(first, most)
        self.same = 0

    def run(self, live: Iterator[TreeEntry], listed: Iterator[ListedEntry], *, until: float) -> bool:
        """Compare both, which come in the order of `walk`; return False when `until` (monotonic clock) has passed.

        Raises what both iterators raise; the differences found before remain valid.
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
    """Return the type of a live entry in one word."""
    if entry.is_special:
        return entry.kind
    return FILE if entry.is_file else FOLDER if stat.S_ISDIR(entry.info.st_mode) else LINK


def _size(entry: TreeEntry) -> int:
    return entry.info.st_size if entry.is_file else 0


def change_of(live: TreeEntry, listed: ListedEntry) -> str:
    """Return in a few words how the live entry differs from the one in the backup; "" when it does not.

    No content is read: a file with the same size and time counts as unchanged. The times of folders and links are not
    compared.
    """
    info = live.info
    if (now := type_of(live)) != listed.type:
        return f"a {now} now, a {listed.type} in the backup"
    if listed.type == LINK:
        return "" if os.readlink(live.base, dir_fd=live.dir_fd) == listed.target else "another target"
    if listed.type == FILE and info.st_size != listed.size:
        return "another size"
    if listed.type == FILE:
        # a time that has been in a tar is a whole second
        by = 1 if listed.exact and info.st_mtime_ns % SECOND else SECOND
        if _rounded(info.st_mtime_ns, by) != _rounded(listed.mtime_ns, by):
            return "another time"
    if stat.S_IMODE(info.st_mode) != listed.mode:
        return "another mode"
    # only a restore by root sets owners
    if os.geteuid() == 0 and (info.st_uid, info.st_gid) != (listed.uid, listed.gid):
        return "another owner"
    return ""


def _rounded(nanoseconds: int, by: int) -> int:
    # towards zero, as the tar does
    return nanoseconds // by if nanoseconds >= 0 else -(-nanoseconds // by)
