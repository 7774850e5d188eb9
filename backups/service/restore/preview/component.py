"""Compare one component with the backup: rows per table, files or keys, and what is known to be lost."""

from collections.abc import Sequence
from dataclasses import dataclass

from backups.archive.manifest.document import Manifest
from backups.components import Component
from backups.instances import Instance
from backups.service.restore.preview.configuration import ConfigurationChange, ConfigurationPreview
from backups.service.restore.preview.findings import UNCOMPARED, Findings
from backups.service.restore.preview.tables import TableChange
from backups.service.restore.preview.tree import TreeComparer, TreePreview
from backups.service.restore.staging.select import absent_parts


@dataclass(frozen=True, slots=True)
class PartPreview:
    """A part of the configuration that can be restored alone; `unknown` is why its changes are not known."""

    name: str
    changes: tuple[ConfigurationChange, ...]
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class ComponentPreview:
    """`state` is present, missing, damaged or unreadable now; `notes` are what that means for a restore.

    `status` is `loss` where something is known to be lost, `unknown` where that is not known or was not compared,
    `nothing` where the comparison found nothing; `assumed` is what was not checked.
    `parts` are what can be restored of it alone. `lost` is what is known to be lost, in a few words each; `loss` the
    same as a sentence, with what comes back.
    """

    name: str
    selectable: bool
    selected: bool
    reason: str = ""
    state: str = "present"
    status: str = ""
    notes: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    bytes_in_backup: int = 0
    tables: tuple[TableChange, ...] = ()
    tree: TreePreview | None = None
    configuration: tuple[ConfigurationChange, ...] = ()
    parts: tuple[PartPreview, ...] = ()
    lost: tuple[str, ...] = ()
    loss: str = ""
    loss_unknown: bool = False

    @property
    def compared(self) -> bool:
        return not self.loss_unknown and UNCOMPARED.isdisjoint(self.assumed)


def compared(
    name: str,
    component: Component | None,
    manifest: Manifest,
    *,
    chosen: Sequence[str],
    undo: bool = False,
    configuration: ConfigurationPreview,
    parts: tuple[PartPreview, ...] = (),
    comparer: TreeComparer,
    instance: Instance,
) -> ComponentPreview:
    """Compare the live `component` with what the backup has of it, or of the `chosen` parts of it ("" for all)."""
    entries = manifest.entries_of(name)
    if chosen and "" not in chosen:
        # of a section only its keys are compared
        wanted = {file for layer, file in instance.service.layers.items() if layer in chosen}
        entries = tuple(entry for entry in entries if entry.file in wanted)
    reason = _unselectable(name, component, manifest, undo=undo)
    if component is None or reason:
        return ComponentPreview(name, False, False, reason=reason)
    findings = Findings(name, instance)
    for path, entry in {component.path_of(entry): entry for entry in reversed(entries)}.items():
        findings.examine(path, entry)
    for entry in entries:
        findings.compare(component, entry, comparer)
    for part in absent_parts(manifest, name) if "" in (chosen or [""]) else ():
        # what was not there then may not be there now either
        if component.exists(part):
            findings.add_removal(part)
    if configuration.unknown:
        findings.add_unknown(f"The configuration cannot be compared: {configuration.unknown}")
    findings.add_keys(configuration.changes)
    return ComponentPreview(
        name,
        True,
        bool(chosen),
        state=findings.state,
        status=findings.status(),
        notes=tuple(findings.notes),
        assumed=tuple(findings.assumed),
        bytes_in_backup=sum(entry.size_bytes for entry in entries),
        tables=tuple(findings.tables),
        tree=findings.tree,
        configuration=configuration.changes,
        parts=parts,
        lost=tuple(findings.all_lost()),
        loss=findings.loss(),
        loss_unknown=findings.unknown,
    )


def _unselectable(name: str, component: Component | None, manifest: Manifest, *, undo: bool) -> str:
    if component is None:
        return "the instance has no such component"
    entries = manifest.entries_of(name)
    if entries or (undo and absent_parts(manifest, name)):
        accepted = not entries or component.accepts(entries)
        return "" if accepted else "the backup holds it as something else than the instance has"
    absent = next((item.reason for item in manifest.absent if item.component == name), "")
    return f"it is not in the backup: {absent}" if absent else "it is not in the backup"
