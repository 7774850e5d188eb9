"""What a restore would change, worked out from the manifest and the live instance; the archive is not unpacked."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from django.utils import timezone

from backups.archive.manifest.document import Manifest
from backups.components import Component
from backups.components.files.component import FilesComponent
from backups.errors import BackupError, ComponentError
from backups.instances import Instance, get_instance
from backups.instances.kinds import kind_of
from backups.instances.kinds.layers import CONFIG, SECTION
from backups.instances.mismatch import Mismatch, mismatches
from backups.instances.site_paths import live_components, located_components
from backups.lib.copy import sha256_of
from backups.models import BackupExecution, RestoreExecution
from backups.service.archives.verify import manifest_of_file
from backups.service.restore.confirmation import changes_of
from backups.service.restore.preview.archived import archived_side
from backups.service.restore.preview.component import ComponentPreview, PartPreview, compared
from backups.service.restore.preview.configuration import ConfigurationComparison, ConfigurationPreview
from backups.service.restore.preview.findings import LOSS, NOTHING, UNKNOWN
from backups.service.restore.preview.tree import MOST_NAMES, TreeComparer
from backups.service.restore.select import Target, select
from backups.service.restore.stage import paths_of
from destinations.lib.formats import listed

# a page has to answer: what is not compared by then is unknown
SECONDS_FOR_TREES = 10.0


@dataclass(frozen=True, slots=True)
class Preview:
    """`archive_sha256` and `changes_seen` are what a person confirms, `refusals` what a restore would stop at.

    `status` is the worst of the selected components.
    """

    instance: str
    archive: str
    archive_sha256: str
    changes_seen: str
    archive_instance: str
    taken_at: datetime | None
    age: timedelta | None
    triggered_by: str
    hostname: str
    kind: str
    application: str
    format: int
    size_bytes: int
    warnings: tuple[str, ...]
    refusals: tuple[str, ...]
    components: tuple[ComponentPreview, ...]
    loss: str
    status: str

    @property
    def compared(self) -> bool:
        """False where something selected could not be compared, or was counted only."""
        return all(component.compared for component in self.components if component.selected)

    def to_dict(self) -> dict[str, Any]:
        values = asdict(self)
        return values | {
            "taken_at": self.taken_at.isoformat() if self.taken_at else None,
            "age": round(self.age.total_seconds(), 3) if self.age else None,
        }


def preview(
    source: BackupExecution | Path,
    instance: str,
    components: Sequence[str] = (),
    *,
    undo_of: RestoreExecution | None = None,
    trusted: bool = True,
    seconds_for_trees: float = SECONDS_FOR_TREES,
    first_name: int = 0,
) -> Preview:
    """Compare what `source`, a backup or an archive file, holds of `components` with what `instance` has now.

    Trees of files are compared for at most `seconds_for_trees`; of what differs in them it names MOST_NAMES of each
    sort, from number `first_name` on. Nothing is fetched, unpacked or changed; what cannot be read now is said, not
    raised. Modes are those that a restore gives to what it creates; `trusted` when a known key signed the archive.
    Raises BackupError for an unknown instance or component, or without an archive, and ArchiveError for a file that is
    none.
    """
    known = get_instance(instance)
    # first: what a restore changes from now on may be in the rest of it or not
    changes_seen = changes_of(instance)
    manifest, digest = _described(source)
    if not trusted and undo_of is None:
        manifest = manifest.distrusted()
    targets = _targets(manifest, known, components, undo_of)
    comparison = _configurations(source, manifest, known)
    foreseen = _foreseen(comparison, targets)
    live = _live_components(known, targets, comparison, foreseen, undo_of)
    elsewhere = mismatches(known, list(live.values()), comparison.live if comparison else None, foreseen.after)
    comparer = TreeComparer(source, seconds_for_trees, first=first_name, most=MOST_NAMES)
    compare = partial(
        _component, live, manifest, targets, comparison, comparer, undo=undo_of is not None, instance=known
    )
    found = [compare(name) for name in _names(manifest, known, undo_of)]
    now = timezone.now()
    return Preview(
        instance=instance,
        archive=str(source),
        archive_sha256=digest,
        changes_seen=changes_seen,
        archive_instance=manifest.instance_name,
        taken_at=manifest.taken_at,
        age=now - manifest.taken_at if manifest.taken_at else None,
        triggered_by=manifest.triggered_by,
        hostname=manifest.hostname,
        kind=manifest.backup_type,
        application=manifest.application or f"{_label_of(manifest)} {manifest.server_version}",
        format=manifest.format,
        size_bytes=sum(entry.size_bytes for entry in manifest.contents),
        warnings=(*manifest.warnings, *map(str, elsewhere)),
        refusals=(
            *_refusals(manifest, known),
            *(() if undo_of else _refused(foreseen, elsewhere, targets)),
            *_irreplaceable(live, manifest, targets),
        ),
        components=tuple(found),
        loss=_total_loss([component for component in found if component.selected]),
        status=_worst(component.status for component in found if component.selected),
    )


def _described(source: BackupExecution | Path) -> tuple[Manifest, str]:
    if isinstance(source, Path):
        manifest = manifest_of_file(source)
        return manifest, sha256_of(source, lambda _: None)
    if not source.has_archive or source.manifest_json is None:
        raise BackupError(f"{source} has no archive to restore", hint="use another backup")
    return Manifest.from_dict(source.manifest_json), source.archive_sha256


def _targets(
    manifest: Manifest, instance: Instance, components: Sequence[str], undo_of: RestoreExecution | None
) -> list[Target]:
    if undo_of is not None:
        return [Target(name, name) for name in paths_of(undo_of)]
    return select(components, manifest, instance)


def _names(manifest: Manifest, instance: Instance, undo_of: RestoreExecution | None) -> list[str]:
    if undo_of is not None:
        return list(paths_of(undo_of))
    return list(dict.fromkeys([*manifest.components, *instance.component_names]))


def _configurations(
    source: BackupExecution | Path, manifest: Manifest, instance: Instance
) -> ConfigurationComparison | None:
    if not instance.service.layers:
        return None
    return ConfigurationComparison(instance, archived_side(source, manifest, instance.service))


def _foreseen(comparison: ConfigurationComparison | None, targets: Sequence[Target]) -> ConfigurationPreview:
    parts = [target.part for target in targets if target.component == CONFIG]
    return comparison.of(parts) if comparison and parts else ConfigurationPreview()


def _live_components(
    instance: Instance,
    targets: Sequence[Target],
    comparison: ConfigurationComparison | None,
    foreseen: ConfigurationPreview,
    undo_of: RestoreExecution | None,
) -> dict[str, Component]:
    """Return the components where the restore would put them."""
    if undo_of is not None:
        found = located_components(instance, paths_of(undo_of))
    elif comparison is None:
        found = live_components(instance)
    else:
        found = live_components(instance, foreseen.after or comparison.nearest or {})
    return {component.name: component for component in found}


def _component(
    live: dict[str, Component],
    manifest: Manifest,
    targets: Sequence[Target],
    comparison: ConfigurationComparison | None,
    comparer: TreeComparer,
    name: str,
    *,
    undo: bool,
    instance: Instance,
) -> ComponentPreview:
    parts = [target.part for target in targets if target.component == name]
    foreseen = ConfigurationPreview()
    divided: tuple[PartPreview, ...] = ()
    if name == CONFIG and comparison is not None and manifest.entries_of(name):
        foreseen = comparison.of(parts or [""])
        divided = () if undo else tuple(_parts(comparison, manifest, instance))
    return compared(
        name,
        live.get(name),
        manifest,
        chosen=parts,
        undo=undo,
        configuration=foreseen,
        parts=divided,
        comparer=comparer,
        instance=instance,
    )


def _parts(comparison: ConfigurationComparison, manifest: Manifest, instance: Instance) -> Iterator[PartPreview]:
    """Foresee each part of the configuration that can be restored alone."""
    if not instance.service.divisible:
        return
    files = {entry.file for entry in manifest.entries_of(CONFIG)}
    lowest, *higher = instance.service.layers
    names = [lowest, *(f"{SECTION}{section}" for section in comparison.sections), *higher]
    for name in names:
        if instance.service.layers.get(name, "") not in {"", *files}:
            continue
        found = comparison.of([name])
        if not found.impossible:
            yield PartPreview(f"{CONFIG}.{name}", found.changes, found.unknown)


def _label_of(manifest: Manifest) -> str:
    """Return what made an archive that is not one of ours."""
    kind = kind_of(manifest)
    return kind.label if kind is not None else "unknown"


def _refusals(manifest: Manifest, instance: Instance) -> list[str]:
    if manifest.instance_name == instance.name:
        return []
    return [f"the archive is of instance {manifest.instance_name}: it needs --other-instance"]


def _refused(foreseen: ConfigurationPreview, elsewhere: Sequence[Mismatch], targets: Sequence[Target]) -> Iterator[str]:
    """Yield what a restore, which is no undo, stops at."""
    yield from foreseen.refusals
    restored = {target.component for target in targets}
    yield from (f"{one} ({one.hint})" for one in elsewhere if one.certain and one.component in restored)


def _irreplaceable(live: dict[str, Component], manifest: Manifest, targets: Sequence[Target]) -> Iterator[str]:
    """Yield why a tree cannot be swapped, be it an undo or not."""
    for name in dict.fromkeys(target.component for target in targets):
        component = live.get(name)
        if isinstance(component, FilesComponent):
            try:
                component.require_replaceable(manifest.entries_of(name))
            except ComponentError as error:
                yield error.text


def _worst(statuses: Iterable[str]) -> str:
    return max(statuses, key=(NOTHING, UNKNOWN, LOSS).index, default=NOTHING)


def _total_loss(components: Sequence[ComponentPreview]) -> str:
    """Say in one sentence what is known to be lost."""
    lost = [text for component in components for text in component.lost]
    unknown = [component.name for component in components if component.loss_unknown and not component.lost]
    partly = [component.name for component in components if component.loss_unknown and component.lost]
    text = f"{listed(lost)} will be gone." if lost else "Nothing is known to be lost."
    text += f" What else {listed(partly)} would lose cannot be told." if partly else ""
    text += f" What {listed(unknown)} would lose cannot be told." if unknown else ""
    return text[0].upper() + text[1:]
