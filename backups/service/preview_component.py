"""One component as a restore would change it: rows per table now and in the backup, and what is known to be lost."""

import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from backups.archive.manifest import Entry, Manifest
from backups.components import Component
from backups.components.config_archived import FILE, OVERRIDES
from backups.components.walking import walk
from backups.errors import BackupError, ComponentError, DamagedComponent, MissingComponent
from backups.formats import counted, listed
from backups.ownership import foreseen_for
from backups.service.preview_configuration import ConfigurationChange, ConfigurationPreview
from backups.service.preview_tables import TableChange, table_changes
from backups.service.selection import absent_parts
from backups.sources import look_at
from backups.sqlite import live_tables

SECONDS_PER_DATABASE = 3.0
SECONDS_PER_TREE = 3.0
LOCK_TIMEOUT = 1.0
PART_FILES = {"file": FILE, "overrides": OVERRIDES}


@dataclass(frozen=True, slots=True)
class PartPreview:
    """A part of the configuration that can be restored alone; `unknown` says why its changes cannot be told."""

    name: str
    changes: tuple[ConfigurationChange, ...]
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class ComponentPreview:
    """`state` is present, missing, damaged or unreadable now; `notes` say what that means for a restore.

    `parts` is what can be restored of it alone. `lost` is what is known to be lost, in a few words each; `loss` the
    same as a sentence, with what comes back.
    """

    name: str
    selectable: bool
    selected: bool
    reason: str = ""
    state: str = "present"
    notes: tuple[str, ...] = ()
    bytes_in_backup: int = 0
    tables: tuple[TableChange, ...] = ()
    configuration: tuple[ConfigurationChange, ...] = ()
    parts: tuple[PartPreview, ...] = ()
    lost: tuple[str, ...] = ()
    loss: str = ""
    loss_unknown: bool = False


def compared(
    name: str,
    component: Component | None,
    manifest: Manifest,
    *,
    chosen: Sequence[str],
    undo: bool = False,
    configuration: ConfigurationPreview,
    parts: tuple[PartPreview, ...] = (),
) -> ComponentPreview:
    """Compare the live `component` with what the backup has of it, or of the `chosen` parts of it ("" for all)."""
    entries = _entries(name, chosen, manifest)
    reason = _unselectable(name, component, manifest, undo=undo)
    if component is None or reason:
        return ComponentPreview(name, False, False, reason=reason)
    findings = _Findings(name)
    for path, entry in {component.path_of(entry): entry for entry in reversed(entries)}.items():
        findings.look_for(path, entry)
    for entry in entries:
        findings.compare(component, entry, manifest)
    for part in absent_parts(manifest, name) if "" in (chosen or [""]) else ():
        findings.will_go(part)
    if configuration.unknown:
        findings.cannot_tell(f"the configuration cannot be compared: {configuration.unknown}")
    findings.change_keys(configuration.changes)
    return ComponentPreview(
        name,
        True,
        bool(chosen),
        state=findings.state,
        notes=tuple(findings.notes),
        bytes_in_backup=sum(entry.size_bytes for entry in entries),
        tables=tuple(findings.tables),
        configuration=configuration.changes,
        parts=parts,
        lost=tuple(findings.all_lost()),
        loss=findings.loss(),
        loss_unknown=findings.unknown,
    )


def _entries(name: str, chosen: Sequence[str], manifest: Manifest) -> tuple[Entry, ...]:
    """Return what is compared: of a section nothing but its keys."""
    entries = manifest.entries_of(name)
    if not chosen or "" in chosen:
        return entries
    wanted = {PART_FILES[part] for part in chosen if part in PART_FILES}
    return tuple(entry for entry in entries if entry.file in wanted)


def _unselectable(name: str, component: Component | None, manifest: Manifest, *, undo: bool) -> str:
    if component is None:
        return "the instance has no such component"
    entries = manifest.entries_of(name)
    if entries or (undo and absent_parts(manifest, name)):
        accepted = not entries or component.accepts(entries)
        return "" if accepted else "the backup holds it as something else than the instance has"
    absent = next((item.reason for item in manifest.absent if item.component == name), "")
    return f"it is not in the backup: {absent}" if absent else "it is not in the backup"


class _Findings:
    """What is found about one component, piece by piece."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state = "present"
        self.notes: list[str] = []
        self.tables: list[TableChange] = []
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

    def compare(self, component: Component, entry: Entry, manifest: Manifest) -> None:
        if (database := component.database_of(entry)) is not None:
            if self.look_for(database, entry):
                self._compare_database(database, entry)
        elif component.kind == "files" and self.look_for(path := component.sources()[0], entry):
            self._compare_files(path, manifest.taken_at)

    def _compare_database(self, path: Path, entry: Entry) -> None:
        if entry.type != "database":
            self.cannot_tell(f"{entry.file} was damaged when the backup was made, and comes back as it was")
            return
        try:
            live = live_tables(path, entry.newest or {}, lock_timeout=LOCK_TIMEOUT, seconds=SECONDS_PER_DATABASE)
        except DamagedComponent as error:
            self.state = "damaged"
            self.cannot_tell(f"{error.message}; it will be replaced")
        except BackupError as error:
            self.state = "unreadable"
            self.cannot_tell(error.message)
        else:
            self.tables += table_changes(live, entry)

    def _compare_files(self, path: Path, taken_at: datetime | None) -> None:
        if taken_at is None or (changed := changed_files(path, taken_at)) is None:
            self.cannot_tell(f"which files of {path} were changed since the backup cannot be told")
        elif changed:
            self.lost.append(f"changes since the backup to {counted(changed, 'file')} of {self.name}")

    def change_keys(self, changes: Sequence[ConfigurationChange]) -> None:
        """A key that is not set now loses no value."""
        lost = sum(change.now is not None for change in changes)
        if lost:
            value = "value" if lost == 1 else "values"
            self.lost.append(f"the present {value} of {counted(lost, 'configuration key')}")

    def cannot_tell(self, note: str) -> None:
        self.unknown = True
        self._note(note)

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
        back = sum(table.back for table in self.tables)
        returning = (
            f"{counted(back, f'{self.name} row')} that {'is' if back == 1 else 'are'} not there now will be back"
        )
        gone = f"{listed(self.all_lost())} will be gone" if self.all_lost() else ""
        return "; ".join(text for text in (gone, returning if back else "") if text)


def changed_files(path: Path, moment: datetime) -> int | None:
    """Count the files at or below `path` with a later time than `moment`; None when that takes too long or fails."""
    if not path.is_dir():
        return int(path.stat().st_mtime > moment.timestamp())
    until = time.monotonic() + SECONDS_PER_TREE
    changed = 0
    try:
        for entry in walk(path):
            if time.monotonic() > until:
                return None
            changed += not stat.S_ISDIR(entry.info.st_mode) and entry.info.st_mtime > moment.timestamp()
    except ComponentError:
        return None
    return changed
