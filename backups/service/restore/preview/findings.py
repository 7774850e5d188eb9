"""What is found about a component that a restore would replace, piece by piece, and what it comes to."""

from collections.abc import Sequence
from pathlib import Path

from backups.archive.manifest.document import Entry
from backups.components import Component
from backups.components.files.component import FilesComponent
from backups.components.sqlite import live_tables
from backups.errors import BackupError, ComponentError, DamagedComponent, MissingComponent
from backups.instances import Instance
from backups.lib.copy import sha256_of
from backups.lib.ownership import foreseen_for
from backups.lib.paths import bytes_of, look_at
from backups.service.restore.preview.configuration import ConfigurationChange
from backups.service.restore.preview.tables import TableChange, table_changes
from backups.service.restore.preview.tree import TreeComparer, TreePreview
from destinations.lib.formats import counted, human_size, listed

SECONDS_PER_DATABASE = 3.0
LOCK_TIMEOUT = 1.0
ONLY_COUNTED = "Rows are counted, not compared: rows that were changed in place cannot be told."
ONLY_LOOKED_AT = "Files of the same size and time are taken as unchanged: their content is not compared."
ONLY_KEYS = "The file of the configuration is compared key by key: comments and other text in it cannot be told."
UNCOMPARED = frozenset({ONLY_COUNTED, ONLY_KEYS})
# what is said of a component, the worst last
NOTHING, UNKNOWN, LOSS = "nothing", "unknown", "loss"


class Findings:
    """What is found about one component, piece by piece."""

    def __init__(self, name: str, instance: Instance) -> None:
        self.name, self.instance = name, instance
        self.state = "present"
        self.notes: list[str] = []
        self.assumed: list[str] = []
        self.tables: list[TableChange] = []
        self.tree: TreePreview | None = None
        self.other_text = ""
        self.lost: list[str] = []
        self.unknown = False

    def look_for(self, path: Path, entry: Entry) -> bool:
        """True when `path` can be looked at; if not, it is said."""
        try:
            look_at(path)
        except MissingComponent:
            self.state = "missing"
            known = "" if entry.is_tree else f" with {foreseen_for(path, entry.permissions)}"
            self._note(f"{path} does not exist now and will be created{known}")
            if not self.instance.root.is_dir():
                # it may lie on the host that runs the queue of the instance
                root = self.instance.root
                self.cannot_tell(f"{root} does not exist on this host, so what is there elsewhere cannot be told")
        except ComponentError as error:
            self.state = "unreadable"
            self.cannot_tell(error.message)
        else:
            return True
        return False

    def will_go(self, part: str) -> None:
        name = f"{self.name}.{part}" if part else self.name
        self.notes.append(f"{name} did not exist when the backup was made and will be removed")
        self.lost.append(f"all of {name}")

    def compare(self, component: Component, entry: Entry, comparer: TreeComparer) -> None:
        if (database := component.database_of(entry)) is not None:
            if self.look_for(database, entry):
                self._compare_database(database, entry)
        elif isinstance(component, FilesComponent):
            there = self.look_for(component.path, entry)
            if entry.is_tree and (there or self.state == "missing"):
                self._compare_tree(component, entry, comparer)
            elif there:
                self._compare_file(component.path, entry, comparer)
        elif entry.file in self.instance.service.layers.values() and not self.instance.service.config_is_url:
            self._compare_text(component.path_of(entry), entry, comparer)

    def _compare_text(self, path: Path, entry: Entry, comparer: TreeComparer) -> None:
        """Of a configuration its keys are compared, and besides whether anything else in its file differs."""
        if self.look_for(path, entry):
            self.other_text = path.name if self._differs(path, entry, comparer) else ""

    def _compare_database(self, path: Path, entry: Entry) -> None:
        if entry.type != "database":
            self.cannot_tell(f"{entry.file} was damaged when the backup was made, and comes back as it was")
            return
        uncounted = [item.table for item in entry.not_counted]
        if "" in uncounted or (entry.tables is None and entry.records is None):
            self.cannot_tell(f"the rows of {entry.file} were not counted when the backup was made")
            return
        for table in uncounted:
            self.cannot_tell(f"the rows of table {table} of {entry.file} were not counted when the backup was made")
        try:
            live = live_tables(path, entry.newest or {}, lock_timeout=LOCK_TIMEOUT, seconds=SECONDS_PER_DATABASE)
        except DamagedComponent as error:
            self.state = "damaged"
            self.cannot_tell(f"{error.message} It will be replaced.")
        except BackupError as error:
            self.state = "unreadable"
            self.cannot_tell(error.message)
        else:
            self.tables += table_changes(live, entry)
            self._assume(ONLY_COUNTED)

    def _compare_tree(self, component: FilesComponent, entry: Entry, comparer: TreeComparer) -> None:
        path = component.path
        if path.exists() and not path.is_dir():
            self.cannot_tell(f"{path} is a file now, the backup holds a folder: a restore would stop there")
            return
        self.notes += component.staying()
        self.tree = tree = comparer.compare(path, entry, component.own_below())
        self.lost += tree.lost(self.name)
        if tree.same:
            self._assume(ONLY_LOOKED_AT)
        if tree.unknown:
            self.cannot_tell(f"what a restore of {self.name} takes away cannot be told in full: {tree.unknown}")

    def _compare_file(self, path: Path, entry: Entry, comparer: TreeComparer) -> None:
        if path.is_dir():
            self.cannot_tell(f"{path} is a folder now, the backup holds a file: a restore would stop there")
            return
        if self._differs(path, entry, comparer):
            self.lost.append(f"the present content of {path.name} ({human_size(bytes_of(path))})")

    def _differs(self, path: Path, entry: Entry, comparer: TreeComparer) -> bool:
        """True when the live `path` is known to hold other bytes than `entry`; where that is unknown, it is said."""
        try:
            return bytes_of(path) != entry.size_bytes or sha256_of(path, comparer.checkpoint) != entry.checksum_sha256
        except BackupError as error:
            self.cannot_tell(f"{path} cannot be compared: {error.message}")
        except OSError as error:
            self.cannot_tell(f"{path} cannot be compared: {error.strerror}")
        return False

    def change_keys(self, changes: Sequence[ConfigurationChange]) -> None:
        """A key that is not set now loses no value."""
        lost = sum(change.now is not None for change in changes)
        if lost:
            value = "value" if lost == 1 else "values"
            self.lost.append(f"the present {value} of {counted(lost, 'configuration key')}")
        if self.other_text and changes:
            self._assume(ONLY_KEYS)
        elif self.other_text:
            self.lost.append(f"what {self.other_text} holds besides its keys, such as comments,")

    def cannot_tell(self, note: str) -> None:
        self.unknown = True
        self._note(note)

    def _assume(self, sentence: str) -> None:
        if sentence not in self.assumed:
            self.assumed.append(sentence)

    def status(self) -> str:
        """Never `nothing` where something was not compared: what is not known is not safe."""
        if self.all_lost():
            return LOSS
        return NOTHING if not self.unknown and UNCOMPARED.isdisjoint(self.assumed) else UNKNOWN

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def all_lost(self) -> list[str]:
        """Rows whose times tell that they are newer, then rows that are only known to be more than in the backup."""
        dated = [table for table in self.tables if table.gone and table.since]
        others = sum(table.gone for table in self.tables if not table.since)
        found = []
        if dated:
            since = dated[0].since if len(dated) == 1 else "the backup"
            rows = sum(table.gone for table in dated)
            found.append(f"{counted(rows, f'{self.name} row')} written since {since}")
        if others:
            found.append(f"at least {counted(others, f'{self.name} row')}{' besides' if dated else ''}")
        return found + self.lost

    def loss(self) -> str:
        gone = f"{listed(self.all_lost())} will be gone" if self.all_lost() else ""
        return "; ".join(text for text in (gone, *self._returning()) if text)

    def _returning(self) -> list[str]:
        back = sum(table.back for table in self.tables)
        verb = "is" if back == 1 else "are"
        rows = f"{counted(back, f'{self.name} row')} that {verb} not there now will be back" if back else ""
        return [rows, self.tree.back(self.name) if self.tree else ""]
