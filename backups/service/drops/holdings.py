"""How much each component of a manifest holds, and the drops between two manifests. Reads no row."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from backups.archive.manifest.document import Manifest
from backups.archive.manifest.names import EXPORT_NAME
from destinations.lib.formats import counted, human_size, printable

# Below these only what became empty is a drop: two of three rows may be deleted on any day.
LEAST_COUNTED = 20
LEAST_BYTES = 4096
# the header of the folder itself, and the end of the tar
EMPTY_TREE_BYTES = 1536
LONGEST_NAME = 80
# Tables with the index of a virtual table of SQLite: merging it deletes most of their rows without a loss of data.
INDEX_TABLES = (("_data", "_idx"), ("_segments", "_segdir"), ("_node", "_parent"))


class Kind(StrEnum):
    """How an amount deviates: it is gone since the backup before, or off the trend of those before."""

    DROPPED = "dropped"
    SHRUNK = "shrunk"
    GROWN = "grown"


@dataclass(frozen=True, slots=True)
class Drop:
    """A component that holds less than before, or far more, or one `table` of it ("" for the component as a whole).

    `measure` is what `before`, `after` and `limit` count: rows, files or bytes. Of what is off the trend `before` is
    the median of the last `backups` good ones, and `limit` the amount from which on it is off.
    """

    component: str
    table: str
    measure: str
    before: int
    after: int
    kind: Kind = Kind.DROPPED
    limit: int = 0
    backups: int = 0

    def __str__(self) -> str:
        component, table = printable(self.component[:LONGEST_NAME]), printable(self.table[:LONGEST_NAME])
        where = f"table {table} of {component}" if table else component
        trend = f", off the trend of {self.backups} backups: {self.limits}" if self.is_off_trend else ""
        return f"{where}: {self.was} became {self.is_now}{trend}"

    @property
    def key(self) -> tuple[str, str, str, bool]:
        """What two deviations have in common when one of them is the other, seen again."""
        return self.component, self.table, self.measure, self.is_growth

    @property
    def is_growth(self) -> bool:
        return self.kind is Kind.GROWN

    @property
    def is_off_trend(self) -> bool:
        return self.kind is not Kind.DROPPED

    def is_beyond(self, accepted: int) -> bool:
        """True when it is further off than a drop of the same key down, or up, to `accepted`."""
        return self.after > accepted if self.is_growth else self.after < accepted

    @property
    def was(self) -> str:
        return self._amount(self.before)

    @property
    def is_now(self) -> str:
        return self._amount(self.after) if self.after else "none"

    @property
    def limits(self) -> str:
        """The amounts that are off the trend; empty for a drop since the backup before."""
        if not self.is_off_trend:
            return ""
        return f"{self._amount(self.limit)} or {'more' if self.is_growth else 'less'}"

    def _amount(self, number: int) -> str:
        return human_size(number) if self.measure == "bytes" else counted(number, self.measure.removesuffix("s"))


@dataclass(slots=True)
class Holding:
    """How much one component holds. `files` and `file_bytes` are None where the manifest does not say.

    `bytes` are those of files, or of trees with their headers; `database_bytes` those of databases, some of which may
    be `uncounted`.
    """

    rows: int = 0
    tables: dict[str, int] = field(default_factory=dict)
    uncounted: bool = False
    database_bytes: int = 0
    files: int | None = None
    file_bytes: int | None = None
    bytes: int = 0
    left_out: set[str] = field(default_factory=set)

    @property
    def content_bytes(self) -> int:
        """Bytes of files; those of a tree without its headers, where the manifest says so."""
        return self.bytes if self.file_bytes is None else self.file_bytes

    @property
    def size_bytes(self) -> int:
        return self.database_bytes + self.content_bytes


def holdings_of(manifest: Manifest) -> dict[str, Holding]:
    """Return the holding of each component in the archive, by name."""
    found: dict[str, Holding] = {}
    for entry in manifest.contents:
        # the merged configuration is made from the others
        if entry.component is None or entry.file == EXPORT_NAME:
            continue
        holding = found.setdefault(entry.component, Holding())
        if entry.type != "database":
            holding.bytes += entry.size_bytes
            holding.files = _sum(holding.files, entry.files)
            holding.file_bytes = _sum(holding.file_bytes, entry.file_bytes)
            continue
        counts = entry.tables or {}
        # internal tables of SQLite change without a loss of data
        tables = {
            name: rows for name, rows in counts.items() if not (name.startswith("sqlite_") or _is_index(name, counts))
        }
        holding.database_bytes += entry.size_bytes
        holding.uncounted |= bool(entry.not_counted) or (entry.tables is None and entry.records is None)
        holding.rows += sum(tables.values()) if entry.tables is not None else entry.records or 0
        for name, rows in tables.items():
            holding.tables[name] = holding.tables.get(name, 0) + rows
    for place in manifest.left_out:
        if place.component in found:
            found[place.component].left_out.add(place.path)
    return found


def _sum(one: int | None, other: int | None) -> int | None:
    return one if other is None else (one or 0) + other


def _is_index(name: str, tables: Mapping[str, int]) -> bool:
    for pair in INDEX_TABLES:
        for suffix in pair:
            base = name.removesuffix(suffix)
            if base != name and all(base + other in tables for other in pair):
                return True
    return False


def drops_between(
    before: Mapping[str, Holding], after: Mapping[str, Holding], *, percent: int, config_is_url: bool = False
) -> list[Drop]:
    """Return what became empty, and what lost at least `percent` of its rows, files or bytes."""
    found: list[Drop] = []
    for component, old in before.items():
        new = after.get(component, Holding(files=0, file_bytes=0))
        found += _rows_lost(component, old, new, percent)
        # a configuration that comes from a URL now is not in the archive, and not lost
        if not (config_is_url and component == "config"):
            found += _content_lost(component, old, new, percent)
    return found


def _rows_lost(component: str, old: Holding, new: Holding, percent: int) -> Iterator[Drop]:
    if old.uncounted or new.uncounted:
        # the number of rows is unknown, so that sizes are compared
        if _is_lost(old.database_bytes, new.database_bytes, LEAST_BYTES, percent):
            yield Drop(component, "", "bytes", old.database_bytes, new.database_bytes)
    # one drop for the whole component, instead of one for each of its tables
    elif _is_lost(old.rows, new.rows, LEAST_COUNTED, percent):
        yield Drop(component, "", "rows", old.rows, new.rows)
    # without counts of single tables, as in archives of the service itself, there is nothing more to compare
    elif new.tables:
        for table, rows in old.tables.items():
            left = new.tables.get(table, 0)
            if _is_lost(rows, left, LEAST_COUNTED, percent):
                yield Drop(component, table, "rows", rows, left)


def _content_lost(component: str, old: Holding, new: Holding, percent: int) -> Iterator[Drop]:
    was_tree = old.files is not None or new.files is not None
    if new.left_out - old.left_out:
        # a folder of this site is left out of the tree since: its part of the difference is unknown
        if new.files == 0 and old.bytes > EMPTY_TREE_BYTES:
            yield Drop(component, "", "bytes", old.bytes, 0)
        return
    if old.files is not None and new.files is not None:
        if _is_lost(old.files, new.files, LEAST_COUNTED, percent):
            yield Drop(component, "", "files", old.files, new.files)
            return
        if old.file_bytes is not None and new.file_bytes is not None:
            if _is_lost(old.file_bytes, new.file_bytes, LEAST_BYTES, percent):
                yield Drop(component, "", "bytes", old.file_bytes, new.file_bytes)
            return
    emptied = was_tree and new.files == 0 and old.bytes > EMPTY_TREE_BYTES
    if emptied or _is_lost(old.bytes, new.bytes, LEAST_BYTES, percent):
        yield Drop(component, "", "bytes", old.bytes, 0 if emptied else new.bytes)


def _is_lost(before: int, after: int, least: int, percent: int) -> bool:
    if before <= 0 or after >= before:
        return False
    return after == 0 or (before >= least and 100 * (before - after) >= percent * before)
