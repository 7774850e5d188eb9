"""Collect what a restore would change in one component, and derive from it what is lost."""

from collections.abc import Sequence
from pathlib import Path

from backups.archive.manifest.document import Entry
from backups.components import Component
from backups.components.files.component import FilesComponent
from backups.components.sqlite import live_tables
from backups.errors import BackupError, ComponentError, DamagedComponent, MissingComponent
from backups.instances import Instance
from backups.lib.filesystem.copy import sha256_of
from backups.lib.filesystem.ownership import expected_ownership
from backups.lib.paths import size_or_zero, stat_path
from backups.service.restore.preview.configuration import ConfigurationChange
from backups.service.restore.preview.tables import TableChange, table_changes
from backups.service.restore.preview.tree import TreeComparer, TreePreview
from destinations.lib.formats import counted, human_size, listed
from destinations.lib.operator_error import sentences

SECONDS_PER_DATABASE = 3.0
LOCK_TIMEOUT = 1.0
ONLY_COUNTED = "Rows are counted, not compared: rows that were changed in place are not found."
ONLY_LOOKED_AT = "Files of the same size and time are taken as unchanged: their content is not compared."
ONLY_KEYS = "The file of the configuration is compared key by key: comments and other text in it are not compared."
UNCOMPARED = frozenset({ONLY_COUNTED, ONLY_KEYS})
# the statuses of a component, the worst last
NOTHING, UNKNOWN, LOSS = "nothing", "unknown", "loss"


class Findings:
    """What a restore would change in one component, entry by entry."""

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

    def examine(self, path: Path, entry: Entry) -> bool:
        """True when `path` can be read; if not, a note says why."""
        try:
            stat_path(path)
        except MissingComponent:
            self.state = "missing"
            known = "" if entry.is_tree else f" with {expected_ownership(path, entry.permissions)}"
            self._note(f"{path} does not exist now and will be created{known}")
            if not self.instance.root.is_dir():
                # it may lie on the host that runs the queue of the instance
                self.add_unknown(
                    f"{self.instance.root} does not exist on this host, so its content on another host is unknown"
                )
        except ComponentError as error:
            self.state = "unreadable"
            self.add_unknown(error.message)
        else:
            return True
        return False

    def add_removal(self, part: str) -> None:
        name = f"{self.name}.{part}" if part else self.name
        self._note(f"{name} did not exist when the backup was made and will be removed")
        self.lost.append(f"all of {name}")

    def compare(self, component: Component, entry: Entry, comparer: TreeComparer) -> None:
        if (database := component.database_of(entry)) is not None:
            if self.examine(database, entry):
                self._compare_database(database, entry)
        elif isinstance(component, FilesComponent):
            path = component.path
            there = self.examine(path, entry)
            if entry.is_tree and (there or self.state == "missing"):
                self._compare_tree(component, entry, comparer)
            elif there and path.is_dir():
                self.add_unknown(f"{path} is a folder now, the backup holds a file: a restore would stop there")
            elif there and self._differs(path, entry, comparer):
                self.lost.append(f"the present content of {path.name} ({human_size(size_or_zero(path))})")
        elif entry.file in self.instance.service.layers.values() and not self.instance.service.config_is_url:
            # besides the keys, which `add_keys` takes: whether anything else in the file differs
            path = component.path_of(entry)
            if self.examine(path, entry):
                self.other_text = path.name if self._differs(path, entry, comparer) else ""

    def _compare_database(self, path: Path, entry: Entry) -> None:
        if entry.type != "database":
            self.add_unknown(f"{entry.file} was damaged when the backup was made, and comes back as it was")
            return
        uncounted = [item.table for item in entry.not_counted]
        if "" in uncounted or (entry.tables is None and entry.records is None):
            self.add_unknown(f"The rows of {entry.file} were not counted when the backup was made")
            return
        for table in uncounted:
            self.add_unknown(f"The rows of table {table} of {entry.file} were not counted when the backup was made")
        try:
            live = live_tables(path, entry.newest or {}, lock_timeout=LOCK_TIMEOUT, seconds=SECONDS_PER_DATABASE)
        except DamagedComponent as error:
            self.state = "damaged"
            self.add_unknown(f"{error.message} It will be replaced.")
        except BackupError as error:
            self.state = "unreadable"
            self.add_unknown(error.message)
        else:
            self.tables += table_changes(live, entry)
            self._assume(ONLY_COUNTED)

    def _compare_tree(self, component: FilesComponent, entry: Entry, comparer: TreeComparer) -> None:
        path = component.path
        if path.exists() and not path.is_dir():
            self.add_unknown(f"{path} is a file now, the backup holds a folder: a restore would stop there")
            return
        self.notes += component.site_path_notes()
        self.tree = tree = comparer.compare(path, entry, component.site_paths_below(), component.staying())
        self.lost += tree.lost(self.name)
        if tree.same:
            self._assume(ONLY_LOOKED_AT)
        if tree.unknown:
            self.add_unknown(f"What a restore of {self.name} removes is not known in full: {tree.unknown}")

    def _differs(self, path: Path, entry: Entry, comparer: TreeComparer) -> bool:
        """True when the live `path` is known to hold other bytes than `entry`; a note says why that is unknown."""
        try:
            return (
                size_or_zero(path) != entry.size_bytes or sha256_of(path, comparer.checkpoint) != entry.checksum_sha256
            )
        except BackupError as error:
            self.add_unknown(f"{path} cannot be compared: {error.message}")
        except OSError as error:
            self.add_unknown(f"{path} cannot be compared: {error.strerror}")
        return False

    def add_keys(self, changes: Sequence[ConfigurationChange]) -> None:
        # a key that is not set now loses no value
        lost = sum(change.now is not None for change in changes)
        if lost:
            value = "value" if lost == 1 else "values"
            self.lost.append(f"the present {value} of {counted(lost, 'configuration key')}")
        if self.other_text and changes:
            self._assume(ONLY_KEYS)
        elif self.other_text:
            self.lost.append(f"what {self.other_text} holds besides its keys, such as comments,")

    def add_unknown(self, note: str) -> None:
        self.unknown = True
        self._note(note)

    def _assume(self, sentence: str) -> None:
        if sentence not in self.assumed:
            self.assumed.append(sentence)

    def status(self) -> str:
        if self.all_lost():
            return LOSS
        # what was not compared may be lost: that is not `nothing`
        return NOTHING if not self.unknown and UNCOMPARED.isdisjoint(self.assumed) else UNKNOWN

    def _note(self, text: str) -> None:
        if (note := sentences(text)) not in self.notes:
            self.notes.append(note)

    def all_lost(self) -> list[str]:
        """Return all losses: rows that are newer by their times, further rows of now, then everything else."""
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
        """Return the losses and what comes back, as one sentence without its full stop."""
        gone = f"{listed(self.all_lost())} will be gone" if self.all_lost() else ""
        back = sum(table.back for table in self.tables)
        verb = "is" if back == 1 else "are"
        rows = f"{counted(back, f'{self.name} row')} that {verb} not there now will be back" if back else ""
        return "; ".join(text for text in (gone, rows, self.tree.back(self.name) if self.tree else "") if text)
