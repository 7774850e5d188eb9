"""Refusals: what a restore would stop at, known from the preview already."""

from collections.abc import Iterator, Mapping, Sequence

from backups.archive.manifest.document import Manifest
from backups.components import Component
from backups.components.base import Contents
from backups.errors import BackupError
from backups.instances import Instance
from backups.instances.identity import reason_not_of
from backups.instances.mismatch import Mismatch
from backups.service.restore.preview.configuration import ConfigurationPreview
from backups.service.restore.preview.refusal import Refusal
from backups.service.restore.staging.select import Target


def refusals(
    manifest: Manifest,
    instance: Instance,
    targets: Sequence[Target],
    live: Mapping[str, Component],
    foreseen: ConfigurationPreview,
    elsewhere: Sequence[Mismatch],
    contents: Contents,
    *,
    undo: bool,
    deep: bool,
) -> Iterator[Refusal]:
    """Yield why a restore of `targets` would be refused; of an undo, only what refuses an undo too.

    With `deep` whole live trees are examined.
    """
    if instance.service.not_restorable:
        yield Refusal(instance.service.not_restorable)
    restored = dict.fromkeys(target.component for target in targets)
    if reason := reason_not_of(manifest, instance):
        yield Refusal(reason, option="--other-instance")
    if not undo:
        yield from foreseen.refusals
        yield from (Refusal(f"{one} ({one.hint})") for one in elsewhere if one.certain and one.component in restored)
    for name in restored:
        entries = manifest.entries_of(name)
        if (component := live.get(name)) is not None and entries and component.accepts(entries):
            try:
                yield from (Refusal(obstacle.text) for obstacle in component.obstacles(entries, contents, deep=deep))
            except BackupError:
                # the list of the tree cannot be read: the comparison of the tree says why, and what that means
                continue
