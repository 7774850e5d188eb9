"""Select what is restored: the requested components and parts, as far as the archive and the instance have them."""

from collections.abc import Sequence
from dataclasses import dataclass

from backups.archive.manifest.document import Entry, Manifest
from backups.errors import BackupError
from backups.instances import Instance
from backups.instances.kinds.layers import CONFIG, SECTION
from destinations.lib.formats import listed, printable

MOST_FILES = 5


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to restore: a component, or a part of the configuration (a layer of it, or "section:NAME")."""

    name: str
    component: str
    part: str = ""

    @property
    def section(self) -> str:
        return self.part.removeprefix(SECTION) if self.part.startswith(SECTION) else ""


def select(requested: Sequence[str], manifest: Manifest, instance: Instance) -> list[Target]:
    """Return the targets in the order of the archive; nothing requested means all that the archive has.

    Raises BackupError for a name that the archive or the instance does not have, with the list of valid ones.
    """
    available = [name for name in manifest.components if name in instance.component_names]
    if not available:
        has = ", ".join(manifest.components) or "none"
        raise BackupError(f"The archive has no component of instance {instance.name}: it has {has}.")
    if not requested:
        return [Target(name, name) for name in available]
    targets = [_target(name, available, instance) for name in dict.fromkeys(requested)]
    whole = {target.component for target in targets if not target.part}
    return [target for target in targets if not target.part or target.component not in whole]


def _target(name: str, available: list[str], instance: Instance) -> Target:
    component, _, part = name.partition(".")
    if component in available and not part:
        return Target(name, component)
    layers = instance.service.layers if CONFIG in available and instance.service.divisible else {}
    known_part = part in layers or (part.startswith(SECTION) and part != SECTION)
    if layers and component == CONFIG and known_part:
        return Target(name, component, part)
    valid = list(available)
    if layers:
        valid += [f"{CONFIG}.{part}" for part in (*layers, f"{SECTION}NAME")]
    raise BackupError(f"There is no component {name!r} to restore.", hint=f"Valid: {', '.join(valid)}.")


def entries_for(target: Target, manifest: Manifest, instance: Instance) -> tuple[Entry, ...]:
    """Return the entries of the archive that `target` is restored from. Raises BackupError when there is none."""
    entries = manifest.entries_of(target.component)
    if (start := instance.service.layers.get(target.part)) is not None:
        # a damaged database is backed up with its -wal, as a second entry of the same beginning
        entries = tuple(entry for entry in entries if entry.file.startswith(start))
        if not entries:
            raise BackupError(f"The archive has no {start}, so {target.name} cannot be restored.")
    return entries


def unowned_notes(manifest: Manifest, instance: Instance) -> list[str]:
    """Return a note on the files of the archive that belong to no component, which no restore brings back."""
    files = [printable(entry.file) for entry in manifest.contents if entry.component is None]
    if not files:
        return []
    named = listed([*files[:MOST_FILES], *([f"{len(files) - MOST_FILES} more"] if len(files) > MOST_FILES else [])])
    verb = "belongs" if len(files) == 1 else "belong"
    return [f"The archive also holds {named}, which {verb} to no component of {instance.name}."]


def absent_parts(manifest: Manifest, component: str) -> tuple[str, ...]:
    """Return the parts of `component` that did not exist when the backup was made: "" for all of it."""
    names = (item.component.partition(".") for item in manifest.absent)
    return tuple(part for name, _, part in names if name == component)
