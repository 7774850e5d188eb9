"""The first half of a restore: everything fetched, unpacked and proven before anything live is touched."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from backups.archive.errors import ArchiveError
from backups.archive.manifest.document import Entry, Manifest
from backups.archive.manifest.names import EXPORT_NAME
from backups.archive.tar.read import unpack
from backups.components import ApplyContext, Component
from backups.errors import BackupError, ComponentError
from backups.instances import Instance
from backups.instances.kinds.base import LiveConfiguration
from backups.instances.kinds.layers import CONFIG, Configuration
from backups.instances.site_paths import live_components, located_components
from backups.lib.copy import copy_stable, sha256_of
from backups.lib.paths import bytes_of
from backups.models import RestoreExecution
from backups.runs.workspace import require_space
from backups.service.archives.fetch import fetch
from backups.service.archives.open import opened
from backups.service.archives.tree_listing import keep_unpacked
from backups.service.archives.verify import check_database, manifest_of_file
from backups.service.restore.select import Target, absent_parts, entries_for, select

START_AGAIN = "look at the preview again"


@dataclass(frozen=True, slots=True)
class Step:
    """One target with the live component it goes into, the entries it comes from, and the parts that were absent."""

    target: Target
    component: Component
    entries: tuple[Entry, ...]
    absent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Staged:
    """An archive, unpacked and proven.

    `live` are all components where they are, `findings` what would be invalid, `notes` what the operator should know.
    `live_configuration` is the one that it has now, `configuration` the one that it will have, None for an undo.
    """

    manifest: Manifest
    directory: Path
    live: list[Component]
    steps: list[Step]
    findings: list[str]
    notes: list[str]
    live_configuration: LiveConfiguration
    configuration: Configuration | None = None


def archive_of(restore: RestoreExecution, directory: Path, progress: Callable[[int], None]) -> Path:
    """Return the archive that was confirmed, in `directory`, where nobody else can change it.

    Raises ArchiveError when it is another one by now, BackupError when there is no room for it.
    """
    if restore.execution is not None:
        if restore.execution.archive_sha256 != restore.archive_sha256:
            raise ArchiveError(f"{restore.execution} is not the archive that was confirmed", hint=START_AGAIN)
        return fetch(restore.execution, directory, progress=progress)
    source = Path(restore.archive_file)
    archive = directory / "fetched" / source.name
    archive.parent.mkdir(mode=0o700)
    require_space(directory, bytes_of(source))
    try:
        copy_stable(source, archive, progress)
    except ComponentError as error:
        raise ArchiveError(error.message, hint="check the path and the permissions") from error
    if sha256_of(archive, lambda _: None) != restore.archive_sha256:
        raise ArchiveError(f"{source} is not the file that was confirmed: its SHA-256 differs", hint=START_AGAIN)
    return archive


def stage(
    archive: Path,
    instance: Instance,
    restore: RestoreExecution,
    directory: Path,
    progress: Callable[[int], None],
    *,
    trusted: bool,
) -> Staged:
    """Unpack and prove what `restore` asks for. Nothing live is touched, and `archive` is used up.

    Of an archive that is not `trusted` no file is created that group or others may write. Raises ArchiveError,
    ComponentError or BackupError with the first thing that is wrong.
    """
    manifest = manifest_of_file(archive)
    if not trusted:
        manifest = manifest.distrusted()
    require_same_instance(manifest, instance, allow_other=restore.allow_other_instance)
    wanted = {entry.file for name in _components(restore, manifest, instance) for entry in manifest.entries_of(name)}
    # tells where the databases belong when the live configuration cannot
    wanted |= {entry.file for entry in manifest.contents if entry.file == EXPORT_NAME}
    require_space(directory, sum(entry.size_bytes for entry in manifest.contents if entry.file in wanted))
    staged = directory / "staged"
    with opened(archive, directory) as stream:
        unpack(stream, staged, names=wanted, progress=progress)
    archive.unlink()
    keep_unpacked(restore.execution, manifest, staged, progress)
    notes = [
        note
        for entry in manifest.contents
        if entry.file in wanted and entry.type == "database"
        for note in _check(staged / entry.file, entry, progress)
    ]
    assembled = assemble(manifest, staged, instance, restore)
    return replace(assembled, notes=[*notes, *assembled.notes])


def _check(path: Path, entry: Entry, progress: Callable[[int], None]) -> list[str]:
    try:
        return check_database(path, entry, checkpoint=progress)
    except ComponentError as error:
        raise ArchiveError(error.message, hint="use another backup, or leave that component out") from error


def _components(restore: RestoreExecution, manifest: Manifest, instance: Instance) -> list[str]:
    if restore.undo_of is not None:
        return list(paths_of(restore.undo_of))
    return [target.component for target in select(restore.components, manifest, instance)]


def require_same_instance(manifest: Manifest, instance: Instance, *, allow_other: bool) -> None:
    if manifest.instance_name != instance.name and not allow_other:
        raise BackupError(
            f"the archive is of instance {manifest.instance_name}, not of {instance.name}",
            hint="to restore it into this instance all the same, say so with --other-instance",
        )


def assemble(manifest: Manifest, staged: Path, instance: Instance, restore: RestoreExecution) -> Staged:
    """Find the live components; their paths are those of the configuration as it will be.

    An undo goes where the restore that it undoes went.
    """
    live_configuration = instance.service.live()
    if restore.undo_of is not None:
        live = located_components(instance, paths_of(restore.undo_of))
        targets = [Target(component.name, component.name) for component in live]
        steps = _steps(targets, live, manifest, instance, restore)
        return Staged(manifest, staged, live, steps, [], _foreseen(steps, staged), live_configuration)
    targets = select(restore.components, manifest, instance)
    parts = [target.part for target in targets if target.component == CONFIG]
    configuration = resulting_configuration(parts, manifest, staged, live_configuration)
    findings = instance.service.findings(configuration) if parts else []
    live = live_components(instance, configuration)
    steps = _steps(targets, live, manifest, instance, restore)
    notes = [*_left_out(restore, manifest, instance), *_foreseen(steps, staged)]
    return Staged(manifest, staged, live, steps, findings, notes, live_configuration, configuration)


def _left_out(restore: RestoreExecution, manifest: Manifest, instance: Instance) -> list[str]:
    """Name what a restore of everything cannot bring back."""
    if restore.components:
        return []
    unknown = [name for name in manifest.components if name not in instance.component_names]
    notes = [f"the archive also holds {name}, which instance {instance.name} does not have" for name in unknown]
    return notes + [f"{item.component} is not in the archive: {item.reason}" for item in manifest.absent]


def _foreseen(steps: Sequence[Step], staged: Path) -> list[str]:
    context = ApplyContext(staged, 0, lambda _: None)
    return [note for step in steps if step.entries for note in step.component.foresee(step.entries, context)]


def paths_of(restore: RestoreExecution) -> dict[str, str]:
    """Return the components that `restore` touched and where they are, first touched first."""
    return restore.touched


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
            raise BackupError(f"the archive says nothing of {target.name}")
        if entries and not component.accepts(entries):
            raise BackupError(f"the archive holds {target.name} as something else than the instance has it")
        steps.append(Step(target, component, entries, absent))
    return steps


def resulting_configuration(
    parts: Sequence[str], manifest: Manifest, staged: Path, live: LiveConfiguration
) -> Configuration:
    """Return the merged configuration that the service will see after the restore of `parts` of it."""
    absent = absent_parts(manifest, CONFIG)
    if parts:
        return live.after(parts, staged, absent)
    try:
        return live.merged
    except ComponentError:
        # where the live one is broken, the one in the archive tells where databases belong
        if not (staged / EXPORT_NAME).exists():
            raise
        return live.service.archived(staged, absent).merged
