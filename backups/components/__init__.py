"""Components by kind."""

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
from backups.lib.atomic import touched
from backups.lib.site_paths import OwnPlaces

__all__ = [
    "ApplyContext",
    "Component",
    "ComponentSpec",
    "ConfigInfo",
    "Export",
    "ExportContext",
    "ExportedPart",
    "is_back",
    "put_back",
    "require_foreign",
]


SAFE_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,16}")


def member_name(component: str, path: Path, default: str = "") -> str:
    """Name a member after its component, which is unique, and keep the suffix that people know the file by."""
    return component + (path.suffix if SAFE_SUFFIX.fullmatch(path.suffix) else default)


def _sqlite(spec: ComponentSpec, own: OwnPlaces) -> Component:
    return SQLiteComponent(
        spec.name, spec.path, member=member_name(spec.name, spec.path, ".db"), optional=spec.optional
    )


def _files(spec: ComponentSpec, own: OwnPlaces) -> Component:
    member = member_name(spec.name, spec.path)
    return FilesComponent(spec.name, spec.path, member=member, optional=spec.optional, own=own)


REGISTRY = {"sqlite": _sqlite, "files": _files}


def require_foreign(component: Component, own: OwnPlaces) -> Component:
    """Return `component`; raise ComponentError when it is, or lies in, one of the site's own places.

    A restore never touches those.
    """
    for path in component.paths():
        if (place := own.holding(path)) is not None:
            raise ComponentError(
                f"{component.name}: {path} lies where this site keeps its {place.what} ({place.path}).",
                hint="Move one of them, or take the component out of the instances file.",
            )
    return component


def put_back(component: Component, entries: Sequence[Entry], absent: Collection[str], context: ApplyContext) -> None:
    """Make `component` what the archive says: what `entries` hold, without the `absent` parts."""
    if entries:
        component.apply(entries, context)
    if absent:
        with touched():
            component.remove(absent)


def is_back(component: Component, entries: Sequence[Entry], absent: Collection[str], context: ApplyContext) -> bool:
    """True when `component` is exactly what the archive says; False also when that cannot be told."""
    try:
        return not any(map(component.exists, absent)) and (not entries or component.is_as_in(entries, context))
    except (ComponentError, OSError):
        return False
