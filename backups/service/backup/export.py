"""Exporting every component, checking and compressing it in other threads."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from backups.archive.manifest.document import Absent, Entry, LeftOut, Unchecked
from backups.archive.tar.members import PackedPart
from backups.components import Component, ConfigInfo, Export, ExportContext, ExportedPart, sqlite
from backups.errors import BackupError, ComponentError, DamagedComponent, MissingComponent
from backups.instances import Instance
from backups.lib.paths import unreadable
from backups.models import BackupExecution
from backups.runs.progress import Monitor
from backups.service.backup.held_before import last_backup_with
from backups.service.backup.pack import Bodies
from destinations.lib.disks import write_hint
from destinations.lib.formats import printable

CHECKING_THREADS = 2


@dataclass(slots=True)
class Contents:
    """The content of an archive, in order; `as_found` names the files that were copied unchecked and may be damaged.

    `packed` are the parts, compressed.
    """

    instance: Instance
    parts: list[ExportedPart] = field(default_factory=list)
    packed: list[PackedPart] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    absent: list[Absent] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    config_info: ConfigInfo | None = None
    as_found: set[str] = field(default_factory=set)

    def unsealed(self) -> list[PackedPart]:
        """Return the parts of an archive that is not encrypted."""
        sealed = {part.name for part in self.parts if part.sealed}
        return [part for part in self.packed if part.name not in sealed]


@dataclass(frozen=True, slots=True)
class _Check:
    """An exported part, and the futures of its compressed copy, row counts and integrity check."""

    part: ExportedPart
    optional: bool
    packed: "Future[PackedPart]"
    facts: "Future[sqlite.Facts] | None"
    proof: "Future[tuple[sqlite.Unchecked, ...]] | None"

    def entry(self) -> Entry:
        """Return the manifest's entry of the part. Raises DamagedComponent when its database is corrupt."""
        unchecked = self.proof.result() if self.proof else ()
        found = self.facts.result() if self.facts else None
        packed = self.packed.result()
        return Entry(
            file=self.part.name,
            size_bytes=packed.size_bytes,
            checksum_sha256=packed.sha256,
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


def export_components(
    instance: Instance,
    components: Sequence[Component],
    directory: Path,
    bodies: Bodies,
    monitor: Monitor,
    *,
    as_found: bool = False,
) -> Contents:
    """Export each component into `directory`, and compress it into `bodies`.

    Other threads check, count, hash and compress what was exported beside the export of the next component.
    Raises ComponentError when a component cannot be exported, unless it is optional, or was never backed up and is made
    at its first use: then it is absent. With `as_found`, for a safety backup, damaged components are copied as they
    are, missing ones are absent.
    """
    contents, checks = Contents(instance), list[_Check]()
    context = replace(monitor.context(directory), written=bodies.written)
    with _threads(bodies) as executor, monitor.stopping_threads():
        for component in components:
            export = _export(instance, component, context, as_found=as_found)
            bodies.forget_removed()
            optional = component.optional and not as_found
            for part in export.parts:
                packed = executor.submit(bodies.pack, part)
                facts = proof = None
                if part.type == "database":
                    facts = executor.submit(sqlite.facts, part.path, checkpoint=monitor.advance)
                    proof = executor.submit(sqlite.check, part.path, checkpoint=monitor.advance)
                checks.append(_Check(part, optional, packed, facts, proof))
            # beside what was just submitted: for a large tree it takes about as long
            if export.parts and not as_found:
                export.warnings += [
                    f"a restore of {component.name} would be refused here now: {obstacle.message}"
                    for obstacle in component.obstacles()
                ]
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
                    contents.packed.append(check.packed.result())
                else:
                    raise
            else:
                contents.entries.append(entry)
                contents.packed.append(check.packed.result())
                contents.warnings += check.notes()
        if not contents.entries and not as_found:
            hint = "See the warnings: every component is optional and absent."
            # an empty archive would count as a good backup
            raise BackupError("Nothing could be exported.", hint=hint)
    return contents


@contextmanager
def _threads(bodies: Bodies) -> Iterator[ThreadPoolExecutor]:
    executor = ThreadPoolExecutor(CHECKING_THREADS, thread_name_prefix="check")
    try:
        yield executor
    finally:
        # after an error the checks that have not begun are of no use
        executor.shutdown(cancel_futures=True)
        bodies.stop()


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
        if error.filename and not Path(error.filename).is_relative_to(context.directory):
            raise unreadable(Path(error.filename), error) from error
        raise ComponentError(
            f"The copy of {component.name} cannot be written in {context.directory.parent}: {error.strerror or error}.",
            hint=write_hint(error, context.directory),
        ) from error


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
