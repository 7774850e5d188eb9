"""Packing a tree of files into one tar, which GNU tar unpacks with everything that an entry has.

Not written through TarFile, which silently truncates a file that grows while it is read, and knows no holes and no
attributes.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from backups.components.files.format.attributes import attribute_records
from backups.components.files.format.header import (
    FILE,
    FOLDER,
    HARD_LINK,
    HARD_LINKED,
    LINK,
    LONGEST_HEADER,
    ROOT,
    SECOND,
    TAR_BLOCK,
    MalformedHeaderError,
    Member,
    encode,
)
from backups.components.files.format.sparse import encode_map, segments_of
from backups.components.files.kernel_files import ContentLeftOut
from backups.errors import ComponentError
from backups.lib.filesystem.attributes import Attributes, attributes_of
from backups.lib.filesystem.copy import copy_unchanged
from backups.lib.filesystem.walk import FOLDER as OPEN_FOLDER
from backups.lib.filesystem.walk import TreeEntry, walk
from backups.lib.paths import unreadable, vanished
from backups.lib.site_paths import NO_SITE_PATHS_BELOW, SitePathsBelow
from destinations.lib.formats import human_size, printable

KILLED_RESTORE = (
    "a restore that was killed left it, perhaps with files of this tree; its rollback, or the next restore, settles it"
)
# many small files at a time
BUFFER_BYTES = 128 * 1024
Note = Callable[[Member], None]
Inode = tuple[int, int]


@dataclass(slots=True)
class PackedTree:
    """The number of packed files and links, the bytes of the files, and a warning for each entry left out."""

    files: int = 0
    file_bytes: int = 0
    warnings: list[str] = field(default_factory=list)


def pack_tree(
    root: Path,
    target: Path,
    checkpoint: Callable[[int], None],
    note: Note,
    own: SitePathsBelow = NO_SITE_PATHS_BELOW,
) -> PackedTree:
    """Write the tree at `root` into the new file `target` (0600).

    `note` is called with each entry. The site's `own` paths are left out without a warning. Raises ComponentError.
    """
    packed = PackedTree()

    def left_out(name: str) -> None:
        # it may hold live data that the restore had moved aside
        packed.warnings.append(printable(f"{root / name} was left out: {KILLED_RESTORE}"))

    target.touch(mode=0o600, exist_ok=False)
    with target.open("r+b", buffering=BUFFER_BYTES) as tar:
        packer = _Packer(tar, checkpoint)
        packer.add_root(root)
        for entry in walk(root, ContentLeftOut(own), draft=left_out):
            if entry.is_special:
                packed.warnings.append(printable(f"{entry.path} is a {entry.kind} and was left out"))
            else:
                member = packer.add(entry)
                note(member)
                packed.files += member.type != FOLDER
                packed.file_bytes += 0 if member.type == HARD_LINK else member.size
        tar.write(bytes(2 * TAR_BLOCK))
    return packed


class _Packer:
    """Writes entries into `tar`; remembers the files that have a second name."""

    def __init__(self, tar: BinaryIO, checkpoint: Callable[[int], None]) -> None:
        self._tar, self._checkpoint = tar, checkpoint
        # of each such file its name in the tar, and how many names it has that were not found yet
        self._linked: dict[Inode, tuple[str, int]] = {}

    def add_root(self, root: Path) -> None:
        try:
            descriptor = os.open(root, OPEN_FOLDER)
        except OSError as error:
            raise unreadable(root, error) from error
        try:
            member = _described(ROOT, FOLDER, os.fstat(descriptor))
            self._write_header(member, root, _attributes(descriptor, root))
        finally:
            os.close(descriptor)

    def add(self, entry: TreeEntry) -> Member:
        """Write the header of the entry and what it holds."""
        if entry.is_file:
            return self._add_file(entry)
        member = _described(entry.name, FOLDER if entry.is_folder else LINK, entry.info)
        base = entry.base
        if not entry.is_folder:
            try:
                member.target = os.readlink(base, dir_fd=entry.dir_fd)
            except FileNotFoundError as error:
                raise vanished(entry.path) from error
            except OSError as error:  # it is no link any more
                raise unreadable(entry.path, error) from error
        # through the folder, because a link cannot be opened
        attributes = _attributes(f"/proc/self/fd/{entry.dir_fd}/{base}", entry)
        self._write_header(member, entry, attributes)
        return member

    def _add_file(self, entry: TreeEntry) -> Member:
        descriptor, info = entry.open()
        try:
            inode, records = (info.st_dev, info.st_ino), {}
            if info.st_nlink > 1:
                if inode in self._linked:
                    return self._add_link(entry, info)
                self._linked[inode] = entry.name, info.st_nlink - 1
                records["comment"] = HARD_LINKED
            member = _described(entry.name, FILE, info)
            member.size = member.stored = info.st_size
            attributes, map_ = _attributes(descriptor, entry), b""
            if (segments := segments_of(descriptor, info)) is not None:
                map_ = encode_map(segments, info.st_size)
                member.sparse, member.stored = True, len(map_) + sum(length for _, length in segments)
            self._write_header(member, entry, attributes, records)
            self._tar.write(map_)
            copy_unchanged(descriptor, info, self._tar, lambda: entry.path, self._checkpoint, segments)
            self._tar.write(bytes(-member.stored % TAR_BLOCK))
        finally:
            os.close(descriptor)
        return member

    def _add_link(self, entry: TreeEntry, info: os.stat_result) -> Member:
        """Write a second name of a file that is in the tar already."""
        inode = info.st_dev, info.st_ino
        first, others = self._linked.pop(inode)
        if others > 1:
            self._linked[inode] = first, others - 1
        member = _described(entry.name, HARD_LINK, info)
        member.target, member.size = first, info.st_size
        self._write_header(member, entry, {})
        return member

    def _write_header(
        self, member: Member, what: TreeEntry | Path, attributes: Attributes, records: dict[str, bytes] | None = None
    ) -> None:
        try:
            kept = attribute_records(attributes) if attributes else {}
        except MalformedHeaderError as error:
            raise ComponentError(
                f"{_path(what)} cannot be backed up: {error}.", hint="Remove its access list."
            ) from error
        if records:
            kept |= records
        header = encode(member, kept)
        if len(header) > LONGEST_HEADER:
            raise ComponentError(
                f"{_path(what)} cannot be backed up: its path and extended attributes are longer than"
                f" {human_size(LONGEST_HEADER)}.",
                hint="Leave it out of the component.",
            )
        self._tar.write(header)


def _described(name: str, type_: str, info: os.stat_result) -> Member:
    return Member(
        name=name,
        type=type_,
        mode=info.st_mode & 0o7777,
        uid=info.st_uid,
        gid=info.st_gid,
        mtime_ns=info.st_mtime_ns,
        exact=info.st_mtime_ns % SECOND != 0,
    )


def _attributes(target: int | str, what: TreeEntry | Path) -> Attributes:
    try:
        return attributes_of(target)
    except FileNotFoundError as error:
        raise vanished(_path(what)) from error
    except OSError as error:
        raise unreadable(_path(what), error) from error


def _path(what: TreeEntry | Path) -> Path:
    return what if isinstance(what, Path) else what.path
