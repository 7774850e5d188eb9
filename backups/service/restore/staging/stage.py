"""Stage a restore: fetch, unpack and verify everything before anything live is changed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from backups.archive.errors import ArchiveError
from backups.archive.manifest.document import Entry, Manifest
from backups.archive.manifest.names import EXPORT_NAME
from backups.archive.tar.read import unpack
from backups.components import ApplyContext, Component
from backups.components.files.replacing.replace import contents_of
from backups.errors import BackupError, ComponentError
from backups.instances import Instance
from backups.instances.identity import identity_notes, reason_not_of
from backups.instances.kinds.configuration import LiveConfiguration
from backups.instances.kinds.layers import CONFIG, Configuration
from backups.instances.site_paths import live_components, live_components_at
from backups.lib.filesystem.copy import copy_stable, sha256_of
from backups.lib.paths import Identity, identity_of, size_or_zero
from backups.models import BackupExecution, RestoreExecution
from backups.runs.workspace import require_space
from backups.service.archives.fetch import Fetched, fetch_nearest
from backups.service.archives.open import open_archive
from backups.service.archives.openable import may_open, require_key
from backups.service.archives.records.copies import readable_copies
from backups.service.archives.trees.listing import keep_unpacked
from backups.service.archives.verify import check_database, check_tree, manifest_of_file
from backups.service.restore.staging.select import Target, absent_parts, entries_for, select, unowned_notes
from destinations.exceptions import DestinationError
from destinations.lib.operator_error import sentences

OPEN_AGAIN_HINT = "Open the preview again."


@dataclass(frozen=True, slots=True)
class Step:
    """One target with the live component it goes into, the entries it comes from, and the parts that were absent."""

    target: Target
    component: Component
    entries: tuple[Entry, ...]
    absent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Staged:
    """An archive, unpacked and verified.

    `live` are all components at their present paths, `findings` the faults of the resulting configuration, `notes` the
    warnings. `live_configuration` is the present one, `configuration` the one after the restore; None for an undo.
    `indexes` is the folder with the indexes of the trees, `checked` are the databases that ApplyContext calls so.
    """

    manifest: Manifest
    directory: Path
    live: list[Component]
    steps: list[Step]
    findings: list[str]
    notes: list[str]
    live_configuration: LiveConfiguration
    configuration: Configuration | None = None
    indexes: Path | None = None
    checked: Mapping[str, Identity] = field(default_factory=dict)


def archive_of(
    restore: RestoreExecution, directory: Path, progress: Callable[[int], None]
) -> tuple[Path, tuple[str, ...]]:
    """Return a private copy of the confirmed archive in `directory`, and notes on copies that could not be used.

    Raises ArchiveError when the archive was replaced since or no key of this host opens it, BackupError when there is
    no room for it.
    """
    backup = restore.execution
    if backup is not None:
        fetched = _fetch_confirmed(backup, restore.archive_sha256, directory, progress)
        return fetched.path, fetched.notes
    source = Path(restore.archive_file)
    archive = directory / "fetched" / source.name
    archive.parent.mkdir(mode=0o700)
    require_space(directory, size_or_zero(source))
    try:
        copy_stable(source, archive, progress)
    except ComponentError as error:
        raise ArchiveError(error.message, hint="Check the path and the permissions.") from error
    if sha256_of(archive, lambda _: None) != restore.archive_sha256:
        raise ArchiveError(f"{source} is not the file that was confirmed: its SHA-256 differs.", hint=OPEN_AGAIN_HINT)
    return archive, ()


def _fetch_confirmed(backup: BackupExecution, sha256: str, directory: Path, progress: Callable[[int], None]) -> Fetched:
    """Fetch the nearest copy that is the confirmed file, or else one that was packed for another encryption."""
    # a copy that was lost since counts: what was confirmed is this backup, and not another archive
    if not backup.copies.filter(sha256=sha256).exists():
        raise ArchiveError(f"{backup} is not the archive that was confirmed.", hint=OPEN_AGAIN_HINT)
    require_key(backup)
    copies = readable_copies(backup)
    confirmed = {copy.pk for copy in copies if copy.sha256 == sha256}
    openable = {copy.pk for copy in copies if may_open(copy)}
    reason = "No key of this host opens the copy that was confirmed."
    if not confirmed:
        reason = "The copy that was confirmed is not there any more."
    elif usable := confirmed & openable:
        try:
            return fetch_nearest(backup, directory, progress=progress, among=lambda copy: copy.pk in usable)
        except (ArchiveError, DestinationError) as error:
            if openable <= confirmed:
                raise
            reason = f"The copy that was confirmed was not used: {error.message}"
    others = openable - confirmed
    fetched = fetch_nearest(backup, directory, progress=progress, among=lambda copy: copy.pk in others)
    return replace(fetched, notes=(reason, *fetched.notes))


def stage(
    archive: Path,
    instance: Instance,
    restore: RestoreExecution,
    directory: Path,
    progress: Callable[[int], None],
    *,
    trusted: bool,
) -> Staged:
    """Unpack and verify what `restore` selects. Nothing live is changed, and `archive` is removed.

    Of an archive that is not `trusted`, no file is created that group or others may write. Raises ArchiveError,
    ComponentError or BackupError with the first fault.
    """
    manifest = manifest_of_file(archive)
    if not trusted:
        manifest = manifest.as_untrusted()
    reason = reason_not_of(manifest, instance)
    if reason and not restore.allow_other_instance:
        hint = "If that is what you want, allow the restore into another instance."
        raise BackupError(reason, hint=hint).needing("--other-instance")
    # an undo takes exactly what its restore changed
    if restore.undo_of is not None:
        names = list(restore.undo_of.touched)
    else:
        names = [target.component for target in select(restore.components, manifest, instance)]
    wanted = {entry.file for name in names for entry in manifest.entries_of(name)}
    # the export has the paths of the databases, for an instance whose live configuration is broken
    wanted |= {entry.file for entry in manifest.contents if entry.file == EXPORT_NAME}
    require_space(directory, sum(entry.size_bytes for entry in manifest.contents if entry.file in wanted))
    staged = directory / "staged"
    with open_archive(archive, directory) as stream:
        unpack(stream, staged, names=wanted, progress=progress)
    # frees its space for the safety backup
    archive.unlink()
    keep_unpacked(restore.execution, manifest, staged, progress)
    indexes = directory / "indexes"
    indexes.mkdir(mode=0o700)
    notes, checked = list[str](), dict[str, Identity]()
    for entry in manifest.contents:
        if entry.file in wanted and (entry.type == "database" or entry.is_tree):
            try:
                if entry.is_tree:
                    check_tree(staged / entry.file, entry, indexes / entry.file)
                else:
                    found = check_database(staged / entry.file, entry, checkpoint=progress)
                    notes += found
                    if not found and (identity := identity_of(staged / entry.file)):
                        checked[entry.file] = identity
            except ComponentError as error:
                hint = "Use another backup, or leave that component out."
                raise ArchiveError(error.message, hint=hint) from error
    assembled = assemble(manifest, staged, instance, restore)
    return replace(assembled, notes=[*notes, *assembled.notes], indexes=indexes, checked=checked)


def assemble(manifest: Manifest, staged: Path, instance: Instance, restore: RestoreExecution) -> Staged:
    """Find the live components and what each is restored from; return both with `manifest` and `staged`.

    Their paths are those of the resulting configuration; of an undo, those of the restore that it undoes.
    """
    live_configuration = instance.service.live()
    if restore.undo_of is not None:
        live = live_components_at(instance, restore.undo_of.touched)
        targets = [Target(component.name, component.name) for component in live]
        steps = _steps(targets, live, manifest, instance, restore)
        return Staged(manifest, staged, live, steps, [], _foreseen(steps, staged), live_configuration)
    targets = select(restore.components, manifest, instance)
    parts = [target.part for target in targets if target.component == CONFIG]
    configuration = resulting_configuration(parts, manifest, staged, live_configuration)
    findings = instance.service.findings(configuration) if parts else []
    live = live_components(instance, configuration)
    steps = _steps(targets, live, manifest, instance, restore)
    notes = identity_notes(manifest, instance)
    if not restore.components:
        # a restore of everything leaves this out
        unknown = [name for name in manifest.components if name not in instance.component_names]
        notes += [f"The archive also holds {name}, which instance {instance.name} does not have." for name in unknown]
        notes += unowned_notes(manifest, instance)
        notes += [sentences(f"{item.component} is not in the archive: {item.reason}") for item in manifest.absent]
    notes += _foreseen(steps, staged)
    return Staged(manifest, staged, live, steps, findings, notes, live_configuration, configuration)


def _foreseen(steps: Sequence[Step], staged: Path) -> list[str]:
    """Raise the first thing that would stop the restore; return warnings."""
    context = ApplyContext(staged, 0, lambda _: None)
    notes = []
    for step in steps:
        if step.entries:
            for obstacle in step.component.obstacles(step.entries, lambda entry: contents_of(staged / entry.file)):
                raise obstacle
            notes += step.component.preflight(step.entries, context)
    return notes


def _steps(
    targets: Sequence[Target],
    live: Sequence[Component],
    manifest: Manifest,
    instance: Instance,
    restore: RestoreExecution,
) -> list[Step]:
    by_name = {component.name: component for component in live}
    steps = []
    for target in targets:
        component = by_name[target.component]
        if target.section:
            component = instance.service.section(target.section, by=restore.triggered_by)
        absent = () if target.part else absent_parts(manifest, target.component)
        entries = entries_for(target, manifest, instance)
        if not entries and not absent:
            raise BackupError(f"The archive has no entry for {target.name}.")
        if entries and not component.accepts(entries):
            raise BackupError(f"The archive holds {target.name} as another kind of component than the instance has.")
        steps.append(Step(target, component, entries, absent))
    return steps


def resulting_configuration(
    parts: Sequence[str], manifest: Manifest, staged: Path, live: LiveConfiguration
) -> Configuration:
    """Return the merged configuration of the service after the restore of `parts` of it."""
    absent = absent_parts(manifest, CONFIG)
    if parts:
        return live.after(parts, staged, absent)
    try:
        return live.merged
    except ComponentError:
        # where the live one is broken, the one in the archive has the paths of the databases
        if not (staged / EXPORT_NAME).exists():
            raise
        return live.service.archived(staged, absent).merged
