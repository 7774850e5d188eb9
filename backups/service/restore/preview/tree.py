"""Compare a tree of files with the backup: what is removed, comes back or is replaced, by name."""

import time
from collections.abc import Collection, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from backups.archive.errors import ArchiveError
from backups.archive.manifest.entry import Entry
from backups.components.files.compare_listing import TreeComparison
from backups.errors import BackupError
from backups.lib.filesystem.walk import TreeEntry, walk
from backups.lib.site_paths import NO_SITE_PATHS_BELOW, SitePathsBelow
from backups.models import BackupExecution
from backups.service.archives.trees.listing import archived_entries
from backups.service.archives.trees.lists import kept_entries
from destinations.lib.formats import counted, human_size, printable

# of each sort: a tree may have millions
MOST_NAMES = 200


@dataclass(frozen=True, slots=True)
class NamedEntry:
    """`name` with its unprintable characters escaped; `change` is what differs, in a few words."""

    name: str
    type: str
    size_bytes: int
    change: str = ""


@dataclass(frozen=True, slots=True)
class EntryGroup:
    """`count` entries, `files` of them files of `size_bytes` together; `named` are some, `more` those behind them."""

    count: int = 0
    files: int = 0
    size_bytes: int = 0
    named: tuple[NamedEntry, ...] = ()
    more: int = 0

    @property
    def words(self) -> str:
        """Return ``20 files``, or ``20 entries`` where folders or links are among them."""
        if self.files == self.count:
            return counted(self.count, "file")
        return counted(self.count, "entry", "entries")

    def of(self, tree: str) -> str:
        """Return ``20 files of uploads``."""
        return f"{self.words} of {tree}"

    @property
    def bytes_text(self) -> str:
        return f" ({human_size(self.size_bytes)})" if self.files else ""


@dataclass(frozen=True, slots=True)
class TreePreview:
    """The differences; `unknown` is why not everything was compared: then there may be more of each."""

    going: EntryGroup = EntryGroup()
    returning: EntryGroup = EntryGroup()
    changing: EntryGroup = EntryGroup()
    same: int = 0
    unknown: str = ""

    def lost(self, name: str) -> list[str]:
        """Return what is known to be lost of the tree `name`, in a few words each."""
        least = "at least " if self.unknown else ""
        found = []
        if self.going.count:
            verb = "is" if self.going.count == 1 else "are"
            found.append(f"{least}{self.going.of(name)} that {verb} not in the backup{self.going.bytes_text}")
        if self.changing.count:
            found.append(f"the present state of {least}{self.changing.of(name)}{self.changing.bytes_text}")
        return found

    def back(self, name: str) -> str:
        """Return what comes back; "" where nothing is known to come back."""
        if not self.returning.count:
            return ""
        verb = "is" if self.returning.count == 1 else "are"
        return f"{self.returning.of(name)} that {verb} not there now will be back"


class TreeComparer:
    """Compares live trees with those in `source`, a backup or an archive file, for at most `seconds` altogether.

    Of each sort of difference it names `most`, from number `first` on.
    """

    def __init__(
        self, source: BackupExecution | Path, seconds: float, *, first: int = 0, most: int = MOST_NAMES
    ) -> None:
        self._source = source
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._first, self._most = first, most

    def compare(
        self,
        path: Path,
        entry: Entry,
        own: SitePathsBelow = NO_SITE_PATHS_BELOW,
        staying: Collection[str] = (),
    ) -> TreePreview:
        """Compare the folder `path`, which may be missing, with the tree of `entry`. Nothing is raised.

        What lies in the site's `own` places stays, so it counts on neither side; so do the folders `staying`.
        """
        comparison = TreeComparison(first=self._first, most=self._most, staying=staying)
        try:
            with ExitStack() as stack:
                if isinstance(self._source, BackupExecution):
                    listed = kept_entries(self._source, entry)
                else:
                    listed = stack.enter_context(archived_entries(self._source, entry))
                live: Iterator[TreeEntry] = iter(())
                if path.exists():
                    live = stack.enter_context(closing(cast("Generator[TreeEntry]", walk(path, own))))
                restored = (one for one in listed if not own.holds(one.name))
                if not comparison.run(live, restored, until=self._until):
                    # raised, because only a member that is read to its end is verified
                    raise BackupError(f"In {self._seconds:.0f} s only a part of {path} could be compared.")
        except BackupError as error:
            return _shown(comparison, self._first, error.text)
        except ArchiveError as error:
            return TreePreview(unknown=error.message)
        except OSError as error:
            return _shown(comparison, self._first, f"{path} cannot be compared: {error.strerror}.")
        return _shown(comparison, self._first, "")

    @property
    def is_late(self) -> bool:
        """Return whether the time is over."""
        return time.monotonic() > self._until

    def checkpoint(self, _bytes: int) -> None:
        """Raises BackupError when the time is over."""
        if self.is_late:
            raise BackupError(f"It could not be compared in {self._seconds:.0f} s.")


def _shown(comparison: TreeComparison, first: int, unknown: str) -> TreePreview:
    groups = []
    for found in (comparison.going, comparison.returning, comparison.changing):
        named = tuple(NamedEntry(printable(one.name), one.type, one.size, one.change) for one in found.shown)
        more = max(0, found.count - first - len(named))
        groups.append(EntryGroup(found.count, found.files, found.size, named, more))
    going, returning, changing = groups
    return TreePreview(going, returning, changing, comparison.same, unknown)
