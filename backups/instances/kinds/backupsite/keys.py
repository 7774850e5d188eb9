"""The key files of this site as a component, which goes into encrypted archives only."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from django.conf import settings

from backups.archive.manifest.document import Entry
from backups.components.base import ApplyContext, Component, Export, ExportContext
from backups.components.files.component import FilesComponent
from backups.errors import ComponentError

KEYS = "keys"


class OwnKeys(Component):
    """The files that the site made at its first start. One that its environment replaces may not exist."""

    kind = "keys"

    def __init__(self) -> None:
        super().__init__(KEYS)
        self.files = {path.name: FilesComponent(KEYS, path, member=path.name) for path in key_files()}

    def sources(self) -> list[Path]:
        return [path for path in key_files() if path.exists()]

    def paths(self) -> list[Path]:
        return key_files()

    def location(self) -> Path:
        return key_files()[0].parent

    def path_of(self, entry: Entry) -> Path:
        return self._file(entry).path

    def _file(self, entry: Entry) -> FilesComponent:
        try:
            return self.files[entry.file]
        except KeyError:
            raise ComponentError(f"{entry.file} is no key file of this site.") from None

    def source_bytes(self) -> int:
        return sum(file.source_bytes() for file in self.files.values())

    def export(self, context: ExportContext) -> Export:
        export = Export()
        for file in self.files.values():
            if file.exists():
                export.parts += [replace(part, sealed=True) for part in file.export(context).parts]
        if not export.parts:
            export.not_yet_made.append((self.name, "All keys of this site are in its environment."))
        return export

    def salvage(self, context: ExportContext, error: ComponentError) -> Export:
        raise error

    def accepts(self, entries: Sequence[Entry]) -> bool:
        return all(entry.file in self.files for entry in entries)

    def apply(self, entries: Sequence[Entry], context: ApplyContext) -> None:
        for entry in entries:
            self._file(entry).apply([entry], context)

    def verify(self, entries: Sequence[Entry], context: ApplyContext) -> list[str]:
        return [note for entry in entries for note in self._file(entry).verify([entry], context)]

    def matches(self, entries: Sequence[Entry], context: ApplyContext) -> bool:
        return all(self._file(entry).matches([entry], context) for entry in entries)

    def exists(self, part: str = "") -> bool:
        return any(file.exists() for file in self.files.values())

    def remove(self, parts: Collection[str] = ("",)) -> None:
        for file in self.files.values():
            file.remove()

    def remove_drafts(self) -> None:
        for file in self.files.values():
            file.remove_drafts()


def key_files() -> list[Path]:
    """Return the files in which this site keeps keys of its own; none where its settings name none."""
    return list(map(Path, getattr(settings, "BACKUP_SITE_KEY_FILES", ())))
