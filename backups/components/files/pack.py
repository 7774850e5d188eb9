"""Packing a tree of files into one tar, which GNU tar unpacks with everything that an entry has.

Not written through TarFile, which silently truncates a file that grows while it is read, and knows no holes and no
attributes.
"""

import os
from collections import deque
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from backups.components.files.describe import attributes_at, described, header_of
from backups.components.files.format.header import (
    FILE,
    FOLDER,
    HARD_LINK,
    HARD_LINKED,
    LINK,
    ROOT,
    TAR_BLOCK,
    Member,
)
from backups.components.files.format.sparse import encode_map, segments_of
from backups.components.files.kernel_files import ContentLeftOut
from backups.lib.filesystem.copy import copy_unchanged
from backups.lib.filesystem.open_files import files_left
from backups.lib.filesystem.walk import FOLDER as OPEN_FOLDER
from backups.lib.filesystem.walk import TreeEntry, walk
from backups.lib.paths import Identity, unreadable, vanished
from backups.lib.site_paths import NO_SITE_PATHS_BELOW, SitePathsBelow
from destinations.lib.formats import printable

KILLED_RESTORE = (
    "a restore that was killed left it, perhaps with files of this tree; its rollback, or the next restore, settles it"
)
# many small files at a time
BUFFER_BYTES = 128 * 1024
# So many small files are requested from the disk at once, while as many are packed that were requested before. Of what
# is larger the kernel reads ahead itself.
BATCH = 64
# the other threads of this process need files too: where no more are left, one is opened after the other
FILES_SPARED = 128
SMALL_BYTES = 128 * 1024
Note = Callable[[Member], None]


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

    def written(member: Member) -> None:
        note(member)
        packed.files += member.type != FOLDER
        packed.file_bytes += 0 if member.type == HARD_LINK else member.size

    target.touch(mode=0o600, exist_ok=False)
    with target.open("r+b", buffering=BUFFER_BYTES) as tar, closing(_Packer(tar, checkpoint, written)) as packer:
        packer.add_root(root)
        for entry in walk(root, ContentLeftOut(own), draft=left_out, relieve=packer.flush):
            if entry.is_special:
                packed.warnings.append(printable(f"{entry.path} is a {entry.kind} and was left out"))
            else:
                packer.add(entry)
        packer.flush()
        tar.write(bytes(2 * TAR_BLOCK))
    return packed


class _Waiting(NamedTuple):
    """An entry that is not in the tar yet: an open file, or the header of a folder or link."""

    entry: TreeEntry
    descriptor: int
    described: tuple[Member, bytes] | None


class _Packer:
    """Writes entries into `tar` in the order in which they were added, and calls `written` with each.

    Remembers the files that have a second name.
    """

    def __init__(self, tar: BinaryIO, checkpoint: Callable[[int], None], written: Note) -> None:
        self._tar, self._checkpoint, self._written = tar, checkpoint, written
        self._waiting = deque[_Waiting]()
        self._most = max(1, min(2 * BATCH, (files_left() - FILES_SPARED) // 2))
        # those of them that are not requested yet
        self._opened: list[int] = []
        # of each such file its name in the tar, and how many names it has that were not found yet
        self._linked: dict[Identity, tuple[str, int]] = {}

    def close(self) -> None:
        """Close the files that were not packed after an error."""
        while self._waiting:
            if (descriptor := self._waiting.pop().descriptor) >= 0:
                os.close(descriptor)

    def add_root(self, root: Path) -> None:
        try:
            descriptor = os.open(root, OPEN_FOLDER)
        except OSError as error:
            raise unreadable(root, error) from error
        try:
            member = described(ROOT, FOLDER, os.fstat(descriptor))
            self._tar.write(header_of(member, root, attributes_at(descriptor, root)))
        finally:
            os.close(descriptor)

    def add(self, entry: TreeEntry) -> None:
        """Have the header of the entry written, and what it holds: at the latest by `flush`."""
        if not entry.is_file:
            # now, because its folder is open
            member, header = self._described(entry)
            self._waiting.append(_Waiting(entry, -1, (member, header)))
            # with attributes, of which those of many would take much memory
            is_small = len(header) <= SMALL_BYTES
        else:
            descriptor = entry.open_unchecked(self.flush)
            self._waiting.append(_Waiting(entry, descriptor, None))
            # while a large one is read, others may change, and must not have been opened before
            if is_small := _is_small(descriptor):
                self._opened.append(descriptor)
        if not is_small:
            self.flush()
        elif len(self._waiting) >= self._most:
            self._write(-(-self._most // 2))

    def flush(self) -> None:
        self._write(len(self._waiting))

    def _write(self, count: int) -> None:
        """Write the first `count` entries that wait, while the disk reads the others."""
        # All at once: a virtual disk takes twice the processor time for requests that come one by one.
        for descriptor in self._opened:
            _request(descriptor)
        self._opened.clear()
        for _ in range(count):
            self._write_entry(self._waiting.popleft())

    def _write_entry(self, waiting: _Waiting) -> None:
        if waiting.described is None:
            self._written(self._write_file(waiting.entry, waiting.descriptor))
        else:
            member, header = waiting.described
            self._tar.write(header)
            self._written(member)

    def _described(self, entry: TreeEntry) -> tuple[Member, bytes]:
        """Return a folder or link with its header."""
        member = described(entry.name, FOLDER if entry.is_folder else LINK, entry.info)
        base = entry.base
        if not entry.is_folder:
            try:
                member.target = os.readlink(base, dir_fd=entry.dir_fd)
            except FileNotFoundError as error:
                raise vanished(entry.path) from error
            except OSError as error:  # it is no link any more
                raise unreadable(entry.path, error) from error
        # through the folder, because a link cannot be opened
        attributes = attributes_at(f"/proc/self/fd/{entry.dir_fd}/{base}", entry)
        return member, header_of(member, entry, attributes)

    def _write_file(self, entry: TreeEntry, descriptor: int) -> Member:
        """Write a file, and close it."""
        try:
            # only now: what changed it since it was opened is packed too
            info = entry.checked(descriptor)
            inode, records = (info.st_dev, info.st_ino), {}
            if info.st_nlink > 1:
                if inode in self._linked:
                    return self._write_link(entry, info)
                self._linked[inode] = entry.name, info.st_nlink - 1
                records["comment"] = HARD_LINKED
            member = described(entry.name, FILE, info)
            member.size = member.stored = info.st_size
            attributes, map_ = attributes_at(descriptor, entry), b""
            if (segments := segments_of(descriptor, info)) is not None:
                map_ = encode_map(segments, info.st_size)
                member.sparse, member.stored = True, len(map_) + sum(length for _, length in segments)
            self._tar.write(header_of(member, entry, attributes, records) + map_)
            copy_unchanged(descriptor, info, self._tar, lambda: entry.path, self._checkpoint, segments)
            self._tar.write(bytes(-member.stored % TAR_BLOCK))
        finally:
            os.close(descriptor)
        return member

    def _write_link(self, entry: TreeEntry, info: os.stat_result) -> Member:
        """Write a second name of a file that is in the tar already."""
        inode = info.st_dev, info.st_ino
        first, others = self._linked.pop(inode)
        if others > 1:
            self._linked[inode] = first, others - 1
        member = described(entry.name, HARD_LINK, info)
        member.target, member.size = first, info.st_size
        self._tar.write(header_of(member, entry, {}))
        return member


def _is_small(descriptor: int) -> bool:
    try:
        return os.lseek(descriptor, 0, os.SEEK_END) <= SMALL_BYTES
    except OSError:  # it is no file any more, which its turn finds out
        return True


def _request(descriptor: int) -> None:
    """Have the kernel read a small file in advance."""
    # of no importance: what cannot be read is found when it is read
    with suppress(OSError):
        os.posix_fadvise(descriptor, 0, SMALL_BYTES, os.POSIX_FADV_WILLNEED)
