"""Refusals: what a restore would stop at, known from the preview already."""

from collections.abc import Iterator, Mapping, Sequence

from backups.archive.manifest.document import Manifest
from backups.components import Component
from backups.components.files.component import FilesComponent
from backups.errors import ComponentError
from backups.instances import Instance
from backups.instances.identity import reason_not_of
from backups.instances.mismatch import Mismatch
from backups.service.restore.preview.configuration import ConfigurationPreview
from backups.service.restore.staging.select import Target


def refusals(
    manifest: Manifest,
    instance: Instance,
    targets: Sequence[Target],
    live: Mapping[str, Component],
    foreseen: ConfigurationPreview,
    elsewhere: Sequence[Mismatch],
    *,
    undo: bool,
) -> Iterator[str]:
    """Yield why a restore of `targets` would be refused; of an undo, only what refuses an undo too."""
    restored = dict.fromkeys(target.component for target in targets)
    if reason := reason_not_of(manifest, instance):
        yield f"{reason} It needs --other-instance."
    if not undo:
        yield from foreseen.refusals
        yield from (f"{one} ({one.hint})" for one in elsewhere if one.certain and one.component in restored)
    for name in restored:
        component = live.get(name)
        if isinstance(component, FilesComponent):
            try:
                component.require_replaceable(manifest.entries_of(name))
            except ComponentError as error:
                yield error.text
