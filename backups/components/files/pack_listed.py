"""Packing a tree together with its listing: a large one in a second process, behind which this one compresses."""

from dataclasses import astuple
from pathlib import Path

from backups.components.base import ExportContext
from backups.components.files.listing import ListWriter
from backups.components.files.pack import PackedTree, pack_tree
from backups.lib.beside import Checkpoint, beside
from backups.lib.filesystem.atomic import create_private
from backups.lib.site_paths import SitePathsBelow

# a smaller tree is packed sooner than a second process is there
SHARED_BYTES = 16 << 20


def pack_listed(
    root: Path, target: Path, listing: Path, context: ExportContext, own: SitePathsBelow, *, size: int
) -> PackedTree:
    """Write the tree at `root` into the new file `target`, and its entries into the new file `listing`.

    `size` is an estimate of the bytes of `target`, 0 when there is none. Raises as `pack_tree`.
    """

    def pack(checkpoint: Checkpoint) -> PackedTree:
        with create_private(listing) as file:
            writer = ListWriter(file)
            packed = pack_tree(root, target, checkpoint, writer.add_packed, own)
            writer.finish()
        return packed

    if size < SHARED_BYTES:
        return pack(context.checkpoint)

    def pack_anew(checkpoint: Checkpoint) -> PackedTree:
        # of a process that failed, of which this one finds out the reason
        for path in (target, listing):
            path.unlink(missing_ok=True)
        return pack(checkpoint)

    seen = 0

    def follow(_: int) -> None:
        nonlocal seen
        now = target.stat().st_size if target.exists() else 0
        context.checkpoint(max(0, now - seen))
        seen = max(seen, now)
        if now:
            context.written(target, now)

    with beside(lambda checkpoint: astuple(pack_anew(checkpoint))) as result:
        return PackedTree(*result(follow))
