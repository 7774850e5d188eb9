"""Replacing a file that is a mount point: no rename can, so the new content is written into it."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, Self

from backups.components.files.format.header import FILE, ROOT, Member
from backups.components.files.read import NestedTar
from backups.components.files.replacing.scope import Scope
from backups.components.files.unkept import Unkept
from backups.components.files.unpack import set_metadata, write_content
from backups.errors import ComponentError
from backups.lib.filesystem.attributes import attributes_of
from backups.lib.filesystem.copy import copy_unchanged
from backups.lib.filesystem.folders import open_below

BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class MountedFile:
    """The file `name` of `tree`: `before` with content `old`, and in the backup: `after` with `new`."""

    tree: Path
    name: str
    old: BinaryIO
    before: Member
    new: BinaryIO
    after: Member
    unkept: Unkept

    @classmethod
    @contextmanager
    def read(cls, archive: Path, name: str, tree: Path, unkept: Unkept, *, trusted: bool) -> Iterator[Self]:
        """Read the entry `name` of the nested tar `archive`, and the live file. Raises ComponentError and OSError."""
        scope = Scope(root=name)
        with TemporaryFile(dir=archive.parent) as old, TemporaryFile(dir=archive.parent) as new:
            with archive.open("rb") as file:
                tar = NestedTar(file, archive.name, trusted=trusted)
                after = next((one for one in tar.members() if one.type == FILE and scope.inner(one.name) == ROOT), None)
                if after is None:
                    raise NestedTar.refused(name, archive.name)
                write_content(new.fileno(), after, tar, lambda _: None)
            with os.fdopen(open_below(tree, name, os.O_RDONLY), "rb", buffering=0) as live:
                info = os.fstat(live.fileno())
                copy_unchanged(live.fileno(), info, old, lambda: tree / name, lambda _: None)
                old.flush()
                before = Member(
                    name, FILE, stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid, info.st_mtime_ns, info.st_size
                )
                before.attributes = attributes_of(live.fileno())
            yield cls(tree, name, old, before, new, after, unkept)

    def replace(self) -> None:
        """Write the new content into the file.

        Raises OSError when the file is as before, and ComponentError when it is not.
        """
        with self._opened(self.after.size) as descriptor:
            try:
                _write(descriptor, self.new, self.after, self.unkept)
            except OSError as error:
                try:
                    _write(descriptor, self.old, self.before, Unkept())
                except OSError:
                    reason = os.strerror(error.errno) if error.errno else str(error)
                    raise ComponentError(f"{self.tree / self.name} is half written: {reason}.") from error
                raise

    def revert(self) -> None:
        """Write the former content into the file. Raises OSError."""
        with self._opened(self.before.size) as descriptor:
            _write(descriptor, self.old, self.before, Unkept())

    @contextmanager
    def _opened(self, needed: int) -> Iterator[int]:
        """Open the file, which is not changed yet, with space for `needed` bytes. Raises OSError."""
        descriptor = open_below(self.tree, self.name, os.O_WRONLY)
        try:
            if needed > (size := os.fstat(descriptor).st_size):
                # a disk that is full is found before anything is overwritten
                try:
                    os.posix_fallocate(descriptor, 0, needed)
                except OSError:
                    os.ftruncate(descriptor, size)
                    raise
            yield descriptor
        finally:
            os.close(descriptor)


def _write(descriptor: int, content: BinaryIO, member: Member, unkept: Unkept) -> None:
    at = 0
    while block := os.pread(content.fileno(), BLOCK, at):
        at += os.pwrite(descriptor, block, at)
    os.ftruncate(descriptor, member.size)
    if os.geteuid() in (0, os.fstat(descriptor).st_uid):
        set_metadata(descriptor, member, unkept)
    os.fsync(descriptor)
