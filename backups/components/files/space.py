"""The space that the tar of a tree takes, and that a restore in place needs on each of its file systems."""

from contextlib import suppress
from pathlib import Path

from backups.components.base import SpaceNeeded
from backups.components.files.format.header import TAR_BLOCK
from backups.components.files.format.sparse import stored_bytes
from backups.components.files.read import NestedTar
from backups.components.files.replacing.layout import Layout, Region
from backups.errors import ComponentError
from backups.lib.filesystem.walk import TreeEntry, walk
from backups.lib.site_paths import SitePathsBelow

# with times in fractions of seconds; most entries have no attributes
HEADER_BYTES = 3 * TAR_BLOCK


class TarSize:
    """Adds up in `total` an estimate of the bytes that the tar of a tree takes, for all of its entries but the root."""

    def __init__(self) -> None:
        # the root, and the two blocks at the end
        self.total = HEADER_BYTES + 2 * TAR_BLOCK

    def add(self, entry: TreeEntry) -> None:
        """Add an entry. Raises ComponentError where it vanished."""
        stored = stored_bytes(entry) if entry.is_file else 0
        self.total += HEADER_BYTES + stored + -stored % TAR_BLOCK


def tar_bytes(root: Path, own: SitePathsBelow) -> int:
    """Return an estimate of the bytes that the tar of the tree at `root` takes, without the site's `own` paths."""
    size = TarSize()
    with suppress(ComponentError):  # an estimate: the export reports the error
        for entry in walk(root, own):
            size.add(entry)
    return size.total


def region_space(layout: Layout, archive: Path) -> dict[Path, SpaceNeeded]:
    """Return what each region needs for the tree in `archive`, by its folder. Raises ComponentError."""
    regions = layout.regions()
    new, old = ({region.live: 0 for region in regions} for _ in range(2))

    def region_of(name: str) -> Region | None:
        return next((region for region in regions if region.scope.inner(name) is not None), None)

    with archive.open("rb") as file:
        for member in NestedTar(file, archive.name).members():
            if (region := region_of(member.name)) is not None:
                new[region.live] += member.stored + TAR_BLOCK
    try:
        for entry in walk(layout.live, layout.own):
            if entry.is_file and (region := region_of(entry.name)) is not None:
                old[region.live] += entry.info.st_blocks * TAR_BLOCK
    except ComponentError:
        # an estimate: what cannot be read is taken as nothing that becomes free
        old = dict.fromkeys(old, 0)
    return {live: SpaceNeeded(size, size - old[live]) for live, size in new.items()}
