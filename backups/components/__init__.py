"""The components of an instance: a registry of their kinds, and applying them."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from backups.archive.manifest.document import Entry
from backups.components.base import (
    ApplyContext,
    Component,
    ComponentSpec,
    ConfigInfo,
    Export,
    ExportContext,
    ExportedPart,
)
from backups.components.files.component import FilesComponent
from backups.components.sqlite.component import SQLiteComponent
from backups.errors import ComponentError
from backups.lib.filesystem.atomic import touched
from backups.lib.site_paths import SitePaths

__all__ = [
    "ApplyContext",
    "Component",
    "ComponentSpec",
    "ConfigInfo",
    "Export",
    "ExportContext",
    "ExportedPart",
    "apply_archived",
    "equals_archive",
    "require_outside_site_paths",
]


SAFE_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,16}")


def member_name(component: str, path: Path, default: str = "") -> str:
    """Return the name of a member of the archive: that of its component, which is unique, with the file's suffix."""
    return component + (path.suffix if SAFE_SUFFIX.fullmatch(path.suffix) else default)


def _sqlite(spec: ComponentSpec, own: SitePaths) -> Component:
    return SQLiteComponent(
        spec.name, spec.path, member=member_name(spec.name, spec.path, ".db"), optional=spec.optional
    )


def _files(spec: ComponentSpec, own: SitePaths) -> Component:
    return FilesComponent(
        spec.name, spec.path, member=member_name(spec.name, spec.path), optional=spec.optional, own=own
    )


REGISTRY = {"sqlite": _sqlite, "files": _files}


def require_outside_site_paths(component: Component, own: SitePaths) -> Component:
    """Return `component`; raise ComponentError when it is, or lies in, one of the site's `own` paths.

    A restore never changes those.
    """
    for path in component.paths():
        if (place := own.holding(path)) is not None:
            raise ComponentError(
                f"{component.name}: {path} lies where this site keeps its {place.what} ({place.path}).",
                hint="Move one of them, or take the component out of the instances file.",
            )
    return component


def apply_archived(
    component: Component, entries: Sequence[Entry], absent: Collection[str], context: ApplyContext
) -> None:
    """Apply `entries` to the live `component`, and remove the parts that are `absent` in the archive."""
    if entries:
        component.apply(entries, context)
    if absent:
        with touched():
            component.remove(absent)


def equals_archive(
    component: Component, entries: Sequence[Entry], absent: Collection[str], context: ApplyContext
) -> bool:
    """Return whether the live `component` equals the archive; False also when it cannot be compared."""
    try:
        return not any(map(component.exists, absent)) and (not entries or component.matches(entries, context))
    except (ComponentError, OSError):
        return False
