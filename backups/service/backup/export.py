"""Exporting every component, checking what was exported beside it, and the manifest that says so."""

import platform
import socket
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from backups.archive.manifest.document import Absent, Entry, LeftOut, Manifest, Unchecked
from backups.components import Component, ConfigInfo, Export, ExportContext, ExportedPart, sqlite
from backups.errors import BackupError, ComponentError, DamagedComponent, MissingComponent
from backups.instances import Instance
from backups.lib.copy import sha256_of
from backups.models import BackupExecution
from backups.runs.progress import Monitor
from backups.version import APPLICATION

CHECKING_THREADS = 2


@dataclass(slots=True)
class Contents:
    """What goes into the archive, in its order; `as_found` are the names of files that may not be sound."""

    parts: list[ExportedPart] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    absent: list[Absent] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    config_info: ConfigInfo | None = None
    as_found: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Check:
    """A part whose checksum and facts are being worked out by other threads."""

    part: ExportedPart
    optional: bool
    checksum: "Future[str]"
    facts: "Future[sqlite.Facts] | None"
    proof: "Future[tuple[sqlite.Unchecked, ...]] | None"

    def entry(self) -> Entry:
        """Return what the manifest says of it. Raises DamagedComponent when it is no sound database."""
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
            not_checked=_kept(unchecked),
            not_counted=_kept(found.uncounted) if found else (),
        )

    def notes(self) -> list[str]:
        """Return what could not be checked or counted, for people."""
        unchecked = self.proof.result() if self.proof else ()
        uncounted = self.facts.result().uncounted if self.facts else ()
        name = self.part.name
        return [*sqlite.described(unchecked, name), *sqlite.described(uncounted, name, counting=True)]


@contextmanager
def exported(
    components: Sequence[Component], directory: Path, monitor: Monitor, *, as_found: bool = False
) -> Iterator[Contents]:
    """Export each component; hash, count and check each exported file in other threads meanwhile.

    A component that cannot be exported is a ComponentError, unless it is optional: then it is absent, with a
    warning. With `as_found` damaged ones are taken byte by byte and missing ones are absent: the state before a
    restore.
    """
    contents, checks = Contents(), []
    with _threads() as executor, monitor.stopping_threads():
        for component in components:
            export = _export(component, monitor.context(directory), as_found=as_found)
            optional = component.optional and not as_found
            checks += [_begin_check(part, executor, monitor.advance, optional=optional) for part in export.parts]
            _collect(export, contents)
        monitor.stage(BackupExecution.Stage.CHECKING)
        for check in checks:
            _finish_check(check, contents, as_found=as_found)
        if not contents.entries and not as_found:
            hint = "see the warnings: every component is optional and absent"
            raise BackupError("nothing could be exported", hint=hint)
        yield contents


@contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    executor = ThreadPoolExecutor(CHECKING_THREADS, thread_name_prefix="check")
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)


def _finish_check(check: _Check, contents: Contents, *, as_found: bool) -> None:
    """Add the entry of a part, with a warning about what of a database could not be checked or counted."""
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
            contents.entries.append(replace(check, part=replace(part, type="data"), facts=None, proof=None).entry())
        else:
            raise
    else:
        contents.entries.append(entry)
        contents.warnings += check.notes()


def _kept(unchecked: Sequence[sqlite.Unchecked]) -> tuple[Unchecked, ...]:
    return tuple(Unchecked(item.table, item.reason) for item in unchecked)


def _export(component: Component, context: ExportContext, *, as_found: bool) -> Export:
    before = set(context.directory.iterdir())
    try:
        return component.export(context)
    except ComponentError as error:
        if not (component.optional or as_found):
            raise
        for path in set(context.directory.iterdir()) - before:
            path.unlink()
        if as_found and isinstance(error, DamagedComponent | MissingComponent):
            return replace(component.salvage(context, error), salvaged=True)
        if not component.optional:
            raise
        return Export(absent=[(component.name, error.message)])
    except OSError as error:
        reason = f"{component.name}: {error.strerror or error} ({error.filename or context.directory})"
        raise ComponentError(reason, hint="check the space and the permissions of the workspace") from error


def _collect(export: Export, contents: Contents) -> None:
    contents.parts += export.parts
    # what was checked as a database is sound all the same
    contents.as_found |= {part.name for part in export.parts if export.salvaged and part.type != "database"}
    contents.absent += [Absent(name, reason) for name, reason in export.absent]
    contents.left_out += export.left_out
    contents.warnings += export.warnings
    contents.warnings += [f"{name} is not in this backup: {reason}" for name, reason in export.absent]
    contents.config_info = contents.config_info or export.config_info


def _begin_check(
    part: ExportedPart, executor: ThreadPoolExecutor, advance: Callable[[int], None], *, optional: bool
) -> _Check:
    """Begin with what the manifest waits for."""
    checksum = executor.submit(sha256_of, part.path, advance)
    if part.type != "database":
        return _Check(part, optional, checksum, None, None)
    facts = executor.submit(sqlite.facts, part.path, checkpoint=advance)
    return _Check(part, optional, checksum, facts, executor.submit(sqlite.check, part.path, checkpoint=advance))


def manifest_of(contents: Contents, instance: Instance, backup: BackupExecution) -> Manifest:
    config = contents.config_info
    started_at = backup.started_at or backup.created_at
    # one that was saved as it was found says nothing that could be relied on
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
