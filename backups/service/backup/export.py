"""Exporting every component, checking the exported files in other threads, and building the manifest."""

import platform
import socket
import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from backups.archive.manifest.document import Absent, Entry, LeftOut, Manifest, Unchecked
from backups.components import Component, ConfigInfo, Export, ExportContext, ExportedPart, sqlite
from backups.errors import BackupError, ComponentError, DamagedComponent, MissingComponent
from backups.instances import Instance
from backups.lib.filesystem.copy import sha256_of
from backups.models import BackupExecution
from backups.runs.progress import Monitor
from backups.service.backup.held_before import last_backup_with
from backups.version import APPLICATION
from destinations.lib.formats import listed, printable

CHECKING_THREADS = 2


@dataclass(slots=True)
class Contents:
    """The content of an archive, in order; `as_found` names the files that were copied unchecked and may be damaged."""

    instance: Instance
    parts: list[ExportedPart] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    absent: list[Absent] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    config_info: ConfigInfo | None = None
    as_found: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Check:
    """An exported part, and the futures of its checksum, row counts and integrity check."""

    part: ExportedPart
    optional: bool
    checksum: "Future[str]"
    facts: "Future[sqlite.Facts] | None"
    proof: "Future[tuple[sqlite.Unchecked, ...]] | None"

    def entry(self) -> Entry:
        """Return the manifest's entry of the part. Raises DamagedComponent when its database is corrupt."""
        unchecked = self.proof.result() if self.proof else ()
        found = self.facts.result() if self.facts else None
        return Entry(
            file=self.part.name,
            size_bytes=self.part.path.stat().st_size,
            checksum_sha256=self.checksum.result(),
            type=self.part.type,
            component=self.part.component,
            records=found.records if found else None,
            tables=found.tables if found else None,
            newest=found.newest if found else None,
            permissions=self.part.permissions,
            files=self.part.files,
            file_bytes=self.part.file_bytes,
            not_checked=_unchecked(unchecked),
            not_counted=_unchecked(found.uncounted) if found else (),
        )

    def notes(self) -> list[str]:
        """Return warnings about tables that could not be checked or counted."""
        unchecked = self.proof.result() if self.proof else ()
        uncounted = self.facts.result().uncounted if self.facts else ()
        name = self.part.name
        return [*sqlite.unchecked_notes(unchecked, name), *sqlite.unchecked_notes(uncounted, name, counting=True)]


@contextmanager
def export_components(
    instance: Instance, components: Sequence[Component], directory: Path, monitor: Monitor, *, as_found: bool = False
) -> Iterator[Contents]:
    """Export each component; hash, count and check each exported file in other threads meanwhile.

    Raises ComponentError when a component cannot be exported, unless it is optional, or was never backed up and is made
    at its first use: then it is absent. With `as_found`, for a safety backup, damaged components are copied as they
    are, missing ones are absent.
    """
    contents, checks = Contents(instance), list[_Check]()
    with _threads() as executor, monitor.stopping_threads():
        for component in components:
            export = _export(instance, component, monitor.context(directory), as_found=as_found)
            if export.parts and not as_found:
                export.warnings += [
                    f"a restore of {component.name} would be refused here now: {obstacle.message}"
                    for obstacle in component.obstacles()
                ]
            optional = component.optional and not as_found
            for part in export.parts:
                checksum = executor.submit(sha256_of, part.path, monitor.advance)
                facts = proof = None
                if part.type == "database":
                    facts = executor.submit(sqlite.facts, part.path, checkpoint=monitor.advance)
                    proof = executor.submit(sqlite.check, part.path, checkpoint=monitor.advance)
                checks.append(_Check(part, optional, checksum, facts, proof))
            _collect(export, contents, as_found=as_found)
        monitor.stage(BackupExecution.Stage.CHECKING)
        for check in checks:
            part = check.part
            try:
                entry = check.entry()
            except DamagedComponent as error:
                if check.optional:
                    contents.parts.remove(part)
                    part.path.unlink()
                    _collect(Export(absent=[(part.component, error.message)]), contents)
                elif as_found:
                    contents.warnings.append(f"{part.component} was saved as it was found: {error.message}")
                    contents.as_found.add(part.name)
                    # damaged: neither its tables nor their rows are known
                    found = replace(check, part=replace(part, type="data"), facts=None, proof=None)
                    contents.entries.append(found.entry())
                else:
                    raise
            else:
                contents.entries.append(entry)
                contents.warnings += check.notes()
        if not contents.entries and not as_found:
            hint = "See the warnings: every component is optional and absent."
            # an empty archive would count as a good backup
            raise BackupError("Nothing could be exported.", hint=hint)
        yield contents


@contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    executor = ThreadPoolExecutor(CHECKING_THREADS, thread_name_prefix="check")
    try:
        yield executor
    finally:
        # after an error the checks that have not begun are of no use
        executor.shutdown(cancel_futures=True)


def _unchecked(unchecked: Sequence[sqlite.Unchecked]) -> tuple[Unchecked, ...]:
    return tuple(Unchecked(item.table, item.reason) for item in unchecked)


def _export(instance: Instance, component: Component, context: ExportContext, *, as_found: bool) -> Export:
    before = set(context.directory.iterdir())
    try:
        return component.export(context)
    except ComponentError as error:
        if not (component.optional or as_found):
            if component.made_at_first_use and isinstance(error, MissingComponent):
                return _not_yet_made(instance, component, error)
            raise
        # a partial export must not get into the archive
        for path in set(context.directory.iterdir()) - before:
            path.unlink()
        if as_found and isinstance(error, DamagedComponent | MissingComponent):
            return replace(component.salvage(context, error), salvaged=True)
        if not component.optional:
            raise
        return Export(absent=[(component.name, error.message)])
    except OSError as error:
        reason = f"{component.name}: {error.strerror or error} ({error.filename or context.directory})."
        raise ComponentError(reason, hint="Check the space and the permissions of the workspace.") from error


def _not_yet_made(instance: Instance, component: Component, error: MissingComponent) -> Export:
    if (holder := last_backup_with(instance, component.name)) is not None:
        raise MissingComponent(
            f"{error.message} {holder} holds it.",
            hint=f"Restore {component.name} from that backup. If it was removed on purpose, mark it optional.",
        ) from error
    return Export(not_yet_made=[(component.name, f"{error.message} Its service makes it at its first use.")])


def _collect(export: Export, contents: Contents, *, as_found: bool = False) -> None:
    contents.parts += export.parts
    # a salvaged database was checked, and is sound
    contents.as_found |= {part.name for part in export.parts if export.salvaged and part.type != "database"}
    # they may name paths that are not UTF-8, which a manifest must not hold
    gone = [(name, printable(reason)) for name, reason in export.absent]
    not_yet_made = [(name, printable(reason)) for name, reason in export.not_yet_made]
    contents.absent += [Absent(name, reason) for name, reason in [*gone, *not_yet_made]]
    contents.left_out += export.left_out
    contents.warnings += map(printable, export.warnings)
    for name, reason in gone:
        # a safety backup is of whatever state a restore replaces
        holder = None if as_found else last_backup_with(contents.instance, name)
        loss = f" It was there before: {holder} holds it." if holder else ""
        contents.warnings.append(f"{name} is not in this backup: {reason}{loss}")
    contents.config_info = contents.config_info or export.config_info


def without_sealed(manifest: Manifest, contents: Contents) -> Manifest:
    """Return `manifest` for an archive that is not encrypted, which lacks the parts that are sealed."""
    names = {part.name for part in contents.parts if part.sealed}
    gone = [entry for entry in manifest.contents if entry.file in names]
    if not gone:
        return manifest
    named = listed([entry.file for entry in gone])
    return replace(
        manifest,
        contents=tuple(entry for entry in manifest.contents if entry not in gone),
        left_out=(*manifest.left_out, *(LeftOut(entry.component or "", entry.file, "keys") for entry in gone)),
        warnings=(
            *manifest.warnings,
            f"The archive is not encrypted, so it is without {named}: encrypt it, or keep a copy of these elsewhere.",
        ),
    )


def build_manifest(contents: Contents, instance: Instance, backup: BackupExecution) -> Manifest:
    config = contents.config_info
    started_at = backup.started_at or backup.created_at
    # the identity and version of the service are not read from files that may be damaged
    members = {part.name: part.path for part in contents.parts if part.name not in contents.as_found}
    return Manifest(
        instance_id=instance.service.instance_id(members),
        instance_name=instance.name,
        hostname=socket.gethostname(),
        backup_type=backup.kind,
        timestamp_utc=started_at.isoformat(),
        triggered_by=backup.triggered_by,
        server_version=instance.service.server_version(members),
        python_version=platform.python_version(),
        platform=platform.platform(),
        sqlite_version=sqlite3.sqlite_version,
        config_source=config.source if config else None,
        config_hash=config.hash if config else None,
        has_overrides=config.has_overrides if config else None,
        contents=tuple(contents.entries),
        application=APPLICATION,
        kind=instance.kind,
        warnings=tuple(contents.warnings),
        absent=tuple(contents.absent),
        left_out=tuple(contents.left_out),
    )
