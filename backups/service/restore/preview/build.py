"""Build the preview of a restore from the manifest and the live instance; the archive is not unpacked."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from backups.archive.manifest.document import Entry, Manifest
from backups.components import Component
from backups.components.base import Content, Contents
from backups.errors import BackupError
from backups.instances import Instance, get_instance
from backups.instances.identity import identity_notes, reason_not_of
from backups.instances.kinds import kind_of
from backups.instances.kinds.layers import CONFIG, SECTION
from backups.instances.mismatch import mismatches
from backups.instances.site_paths import live_components, live_components_at
from backups.lib.filesystem.copy import sha256_of
from backups.models import BackupExecution, RestoreExecution
from backups.service.archives.openable import no_key_for
from backups.service.archives.trees.lists import has_list, kept_entries
from backups.service.archives.verify import manifest_of_file
from backups.service.restore.confirmation import changes_of
from backups.service.restore.preview.archived import archived_side
from backups.service.restore.preview.component import ComponentPreview, PartPreview, compared
from backups.service.restore.preview.configuration import ConfigurationComparison, ConfigurationPreview
from backups.service.restore.preview.refusal import Refusal
from backups.service.restore.preview.refusals import refusals
from backups.service.restore.preview.summary import Preview, total_loss, worst_status
from backups.service.restore.preview.tree import MOST_NAMES, TreeComparer
from backups.service.restore.staging.select import Target, select, unowned_notes

# a page has to be answered: what is not compared by then is unknown
SECONDS_FOR_TREES = 10.0


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

    Trees of files are compared for at most `seconds_for_trees`; of each sort of difference in them MOST_NAMES are
    named, from number `first_name` on. `trusted` when a known key signed the archive: its modes are restored then.
    Nothing is fetched, unpacked or changed, and what cannot be read now is a note of the preview. Raises BackupError
    for an unknown instance or component, or without an archive, ArchiveError for a file that is not an archive.
    """
    known = get_instance(instance)
    service = known.service
    # read first: a restore that changes the instance meanwhile makes the confirmation of this preview invalid
    changes_seen = changes_of(instance)
    manifest, digest = _manifest_and_digest(source)
    manifest = manifest if trusted or undo_of is not None else manifest.as_untrusted()
    names, targets = _named(manifest, known, components, undo_of)
    comparison = ConfigurationComparison(known, archived_side(source, manifest, service)) if service.layers else None
    parts = [target.part for target in targets if target.component == CONFIG]
    foreseen = comparison.of(parts) if comparison and parts else ConfigurationPreview()
    live = _live_components(known, comparison, foreseen, undo_of)
    elsewhere = mismatches(known, list(live.values()), comparison.live if comparison else None, foreseen.after)
    comparer = TreeComparer(source, seconds_for_trees, first=first_name, most=MOST_NAMES)
    undo = undo_of is not None
    found = [_compared(name, live, manifest, targets, comparison, comparer, undo, known) for name in names]
    selected = [component for component in found if component.selected]
    # the manifest of a file was read from it, so a key opened it
    no_key = no_key_for(source, look=True) if isinstance(source, BackupExecution) else None
    return Preview(
        instance=instance,
        archive=str(source),
        archive_sha256=digest,
        changes_seen=changes_seen,
        archive_instance=manifest.instance_name,
        other_instance=bool(reason_not_of(manifest, known)),
        taken_at=manifest.taken_at,
        triggered_by=manifest.triggered_by,
        hostname=manifest.hostname,
        kind=manifest.backup_type,
        application=_application(manifest),
        format=manifest.format,
        size_bytes=sum(entry.size_bytes for entry in manifest.contents),
        warnings=(*manifest.warnings, *([] if undo else _notes(manifest, known)), *map(str, elsewhere)),
        refusals=(
            *([Refusal(no_key.text)] if no_key else []),
            *refusals(
                manifest,
                known,
                targets,
                live,
                foreseen,
                elsewhere,
                _listed(source),
                undo=undo,
                # trees that are too large to compare here are too large to be gone through once more
                deep=not comparer.is_late,
            ),
        ),
        components=tuple(found),
        loss=total_loss(selected),
        status=worst_status(selected),
    )


def _named(
    manifest: Manifest, known: Instance, components: Sequence[str], undo_of: RestoreExecution | None
) -> tuple[list[str], list[Target]]:
    """Return the components that are shown, and what of them is to be restored."""
    if undo_of is not None:
        return list(undo_of.touched), [Target(name, name) for name in undo_of.touched]
    shown = dict.fromkeys([*manifest.components, *known.component_names])
    return list(shown), select(components, manifest, known)


def _application(manifest: Manifest) -> str:
    # an archive of another program names no application
    kind = kind_of(manifest)
    return manifest.application or f"{kind.label if kind else 'unknown'} {manifest.server_version}"


def _notes(manifest: Manifest, instance: Instance) -> list[str]:
    return [*identity_notes(manifest, instance), *unowned_notes(manifest, instance)]


def _listed(source: BackupExecution | Path) -> Contents:
    """Return a function for the entries of a tree in the backup, None where no list of them was kept."""

    def contents(entry: Entry) -> Iterable[Content] | None:
        if not isinstance(source, BackupExecution) or not has_list(source, entry):
            return None
        return ((one.name, one.type, "") for one in kept_entries(source, entry))

    return contents


def _manifest_and_digest(source: BackupExecution | Path) -> tuple[Manifest, str]:
    if isinstance(source, Path):
        manifest = manifest_of_file(source)
        return manifest, sha256_of(source, lambda _: None)
    if not source.has_archive or source.manifest_json is None:
        raise BackupError(f"{source} has no archive to restore.", hint="Use another backup.")
    return Manifest.from_dict(source.manifest_json), source.archive_sha256


def _live_components(
    instance: Instance,
    comparison: ConfigurationComparison | None,
    foreseen: ConfigurationPreview,
    undo_of: RestoreExecution | None,
) -> dict[str, Component]:
    """Return the components at the paths that the restore would replace."""
    if undo_of is not None:
        found = live_components_at(instance, undo_of.touched)
    elif comparison is None:
        found = live_components(instance)
    else:
        found = live_components(instance, foreseen.after or comparison.nearest or {})
    return {component.name: component for component in found}


def _compared(
    name: str,
    live: dict[str, Component],
    manifest: Manifest,
    targets: Sequence[Target],
    comparison: ConfigurationComparison | None,
    comparer: TreeComparer,
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
    """Yield each part of the configuration that can be restored alone, with its changes."""
    if not instance.service.divisible:
        return
    files = {entry.file for entry in manifest.entries_of(CONFIG)}
    lowest, *higher = instance.service.layers
    names = [lowest, *(f"{SECTION}{section}" for section in comparison.sections), *higher]
    for name in names:
        # a layer that the archive has no file of cannot be restored alone
        if instance.service.layers.get(name, "") not in {"", *files}:
            continue
        found = comparison.of([name])
        if not found.impossible:
            yield PartPreview(f"{CONFIG}.{name}", found.changes, found.unknown)
