"""The configuration component of a TACACS+ server: its file, its overrides database and the merged export."""

import os
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

from backups.archive.manifest.document import Entry
from backups.archive.manifest.names import EXPORT_NAME
from backups.components import sqlite
from backups.components.base import ApplyContext, Component, ConfigInfo, Contents, Export, ExportContext, ExportedPart
from backups.components.sqlite.component import SQLiteComponent
from backups.errors import ComponentError, DamagedComponent, MissingComponent
from backups.instances.kinds.layers import configuration_hash, exported_json, merged, undecodable
from backups.instances.kinds.tacacs import rules
from backups.instances.kinds.tacacs.archived import FILE, OVERRIDES
from backups.instances.kinds.tacacs.configuration import (
    Sections,
    Server,
    active_overrides,
    parse_configuration,
    read_live_text,
)
from backups.instances.kinds.tacacs.defaults import DEFAULTS, VARIABLES
from backups.lib.filesystem.atomic import discard_draft, replace_file, touched, translate_os_errors
from backups.lib.filesystem.copy import copy_stable, matches_checksum
from backups.lib.filesystem.ownership import permissions_of
from backups.lib.filesystem.writable import file_obstacles
from backups.lib.paths import size_or_zero

KEPT = f"{OVERRIDES} keeps its bytes, {EXPORT_NAME} has those that are no text as \\udc80 to \\udcff"


class ConfigurationComponent(Component):
    kind = "configuration"

    def __init__(self, name: str, server: Server) -> None:
        super().__init__(name)
        self.server = server
        self.baseline = server.baseline_path()
        self._notes: list[str] = []
        self.overrides = SQLiteComponent(name, server.overrides_path(), member=OVERRIDES)

    def sources(self) -> list[Path]:
        return [self.baseline] if "overrides" in self.server.optional else [self.baseline, self.overrides.path]

    def databases(self) -> list[Path]:
        return [self.overrides.path]

    def paths(self) -> list[Path]:
        return [self.baseline, self.overrides.path]

    def location(self) -> Path:
        # the text of a URL is not restored
        return self.overrides.path if self.server.config_is_url else self.baseline

    def source_bytes(self) -> int:
        return self.overrides.source_bytes() + size_or_zero(self.baseline)

    def export(self, context: ExportContext) -> Export:
        # the merged export is made from the exported copies, so that they agree
        baseline = context.directory / FILE
        info = copy_stable(self.baseline, baseline, context.checkpoint)
        export = self._export_overrides(context)
        overrides: Sections = {}
        if export.parts:
            try:
                overrides = active_overrides(export.parts[0].path)
            except sqlite3.Error as error:
                raise DamagedComponent(
                    f"{self.overrides.path} holds no readable overrides: {sqlite.error_text(error)}."
                ) from error
        file = parse_configuration(read_live_text(baseline), str(self.baseline))
        environment = self.server.environment.configuration(VARIABLES)
        layers = {"file": file, "overrides": overrides}
        configuration = merged(layers, below=merged({"environment": environment}, below=DEFAULTS))
        if self.server.config_is_url:
            # not backed up: a restore could not change it where it is served
            baseline.unlink()
        else:
            export.parts.append(self._file_part(baseline, info))
        whole = context.directory / EXPORT_NAME
        whole.touch(mode=0o600)
        whole.write_bytes(exported_json(configuration))
        export.parts.append(ExportedPart(self.name, whole, EXPORT_NAME, "config"))
        findings = rules.findings(configuration)
        export.warnings += [f"the configuration is not valid: {finding}" for finding in findings]
        export.warnings += [f"the override of {where} is not UTF-8 text: {KEPT}" for where in undecodable(overrides)]
        source = "url" if self.server.config_is_url else "file"
        export.config_info = ConfigInfo(
            source, configuration_hash(configuration), bool(overrides), {"environment": environment} | layers
        )
        return export

    def _export_overrides(self, context: ExportContext) -> Export:
        path = self.overrides.path
        if not path.exists() and "overrides" in self.server.optional:
            return Export(absent=[(f"{self.name}.overrides", f"{path} does not exist.")])
        return self.overrides.export(context)

    def salvage(self, context: ExportContext, error: ComponentError) -> Export:
        """Copy the file and the overrides as they are, without a merged export."""
        export = Export(warnings=[f"{self.name} was saved as it was found: {error.message}"])
        if not self.server.config_is_url:
            target = context.directory / FILE
            try:
                info = copy_stable(self.baseline, target, context.checkpoint)
            except MissingComponent as missing:
                export.absent.append((f"{self.name}.file", missing.message))
            else:
                export.parts.append(self._file_part(target, info))
        try:
            overrides = self._export_overrides(context)
        except DamagedComponent as damage:
            overrides = self.overrides.salvage(context, damage)
        except ComponentError as problem:
            if self.overrides.path.exists():
                raise
            overrides = Export(absent=[(f"{self.name}.overrides", problem.message)])
        export.parts += overrides.parts
        export.absent += overrides.absent
        export.warnings += overrides.warnings
        return export

    def _file_part(self, copy: Path, info: os.stat_result) -> ExportedPart:
        return ExportedPart(self.name, copy, FILE, "config", permissions_of(info, self.baseline))

    def path_of(self, entry: Entry) -> Path:
        return self.overrides.path if entry.file.startswith(OVERRIDES) else self.location()

    def database_of(self, entry: Entry) -> Path | None:
        return self.overrides.path if entry.file == OVERRIDES else None

    def accepts(self, entries: Sequence[Entry]) -> bool:
        overrides, file = self._split(entries)
        return bool(overrides or file) and (not overrides or self.overrides.accepts(overrides))

    def obstacles(
        self, entries: Sequence[Entry] | None = None, contents: Contents | None = None, *, deep: bool = True
    ) -> Iterator[ComponentError]:
        overrides, file = self._split(entries or ())
        if (file is not None or entries is None) and not self.server.config_is_url:
            yield from file_obstacles(self.baseline)
        if overrides or (entries is None and self.overrides.exists()):
            yield from self.overrides.obstacles(overrides or None)

    def preflight(self, entries: Sequence[Entry], context: ApplyContext) -> list[str]:
        overrides, _ = self._split(entries)
        return self.overrides.preflight(overrides, context) if overrides else []

    def apply(self, entries: Sequence[Entry], context: ApplyContext) -> None:
        # the merged export is information only and is not applied
        overrides, file = self._split(entries)
        if overrides:
            self.overrides.apply(overrides, context)
        if file and not self.server.config_is_url:
            with touched() if overrides else nullcontext():
                live = self.baseline.resolve()
                self._notes = replace_file(context.staged / FILE, live, permissions=file.permissions)

    def verify(self, entries: Sequence[Entry], context: ApplyContext) -> list[str]:
        overrides, file = self._split(entries)
        if not self._holds(file):
            raise ComponentError(f"{self.baseline} is not what the restore has just written.")
        return self._notes + (self.overrides.verify(overrides, context) if overrides else [])

    def _holds(self, file: Entry | None) -> bool:
        return file is None or self.server.config_is_url or matches_checksum(self.baseline, file.checksum_sha256)

    def matches(self, entries: Sequence[Entry], context: ApplyContext) -> bool:
        overrides, file = self._split(entries)
        return self._holds(file) and (not overrides or self.overrides.matches(overrides, context))

    def was_changed(self) -> bool:
        return self.overrides.was_changed()

    def exists(self, part: str = "") -> bool:
        has_file = not self.server.config_is_url and self.baseline.exists()
        return {"file": has_file, "overrides": self.overrides.exists()}.get(part, has_file or self.overrides.exists())

    def _split(self, entries: Sequence[Entry]) -> tuple[list[Entry], Entry | None]:
        overrides = [entry for entry in entries if entry.file.startswith(OVERRIDES)]
        return overrides, next((entry for entry in entries if entry.file == FILE), None)

    def remove(self, parts: Collection[str] = ("",)) -> None:
        if ("" in parts or "file" in parts) and not self.server.config_is_url:
            live = self.baseline.resolve()
            with translate_os_errors(live, ComponentError):
                live.unlink(missing_ok=True)
        if "" in parts or "overrides" in parts:
            self.overrides.remove()

    def remove_drafts(self) -> None:
        discard_draft(self.baseline.resolve())
        self.overrides.remove_drafts()
