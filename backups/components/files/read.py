"""Reading the nested tar of a tree. It may come from anywhere, and TarFile accepts more than such a tar may hold."""

import os
import tarfile
from collections.abc import Iterator
from pathlib import PurePosixPath

from backups.components.files.pack import TAR_BLOCK
from backups.errors import ComponentError
from destinations.lib.formats import printable
from destinations.lib.streams import SkippingSource

BLOCK = 1 << 20
LONGEST_NAME = 64 * 1024
LONG_NAMES = {tarfile.GNUTYPE_LONGNAME: "name", tarfile.GNUTYPE_LONGLINK: "linkname"}
HIGHEST_ID = 2**32 - 2
LATEST = 2**40
TYPES = (tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE)


class NestedTar:
    """Reads what `pack_tree` wrote, and refuses everything else.

    Iterate over `members` and read the `content` of each before the next; what is not read is skipped.
    """

    def __init__(self, file: SkippingSource, name: str) -> None:
        self._file, self._name = file, name
        self._unread = 0

    def members(self) -> Iterator[tarfile.TarInfo]:
        """Yield files, folders and symbolic links with names below the root; ROOT is the root itself.

        Raises ComponentError that names a member which `pack_tree` cannot have written.
        """
        while (member := self._next()) is not None:
            if not _is_allowed(member):
                raise self.refused(member, self._name)
            self._unread = member.size if member.isreg() else 0
            padding = -self._unread % TAR_BLOCK
            yield member
            self._file.seek(self._unread + padding, os.SEEK_CUR)

    def content(self) -> Iterator[bytes]:
        """Yield the bytes of the file that `members` yielded last."""
        while self._unread:
            piece = self._exactly(min(BLOCK, self._unread))
            self._unread -= len(piece)
            yield piece

    def _next(self) -> tarfile.TarInfo | None:
        long_names: dict[str, str] = {}
        while True:
            block = self._exactly(TAR_BLOCK)
            if not block.strip(b"\0"):
                return None
            try:
                member = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
            except tarfile.TarError as error:
                raise ComponentError(f"{self._name} is not a tree that was backed up: {error}.") from error
            if member.type not in LONG_NAMES:
                break
            if not 0 < member.size <= LONGEST_NAME:
                raise ComponentError(f"{self._name} holds a name of {member.size} bytes.")
            text = self._exactly(member.size)
            self._exactly(-member.size % TAR_BLOCK)
            long_names[LONG_NAMES[member.type]] = text.removesuffix(b"\0").decode("utf-8", "surrogateescape")
        if member.type not in TYPES or (member.size and not member.isreg()):
            raise self.refused(member, self._name)
        for attribute, value in long_names.items():
            setattr(member, attribute, value.rstrip("/") if member.isdir() else value)
        return member

    def _exactly(self, size: int) -> bytes:
        data = self._file.read(size) or b""
        if len(data) != size:
            raise ComponentError(f"{self._name} is cut off, so it is not the tree that was backed up.")
        return data

    @staticmethod
    def refused(member: tarfile.TarInfo, archive: str) -> ComponentError:
        return ComponentError(
            printable(f"{archive} holds {member.name!r}, which does not belong in a tree."),
            hint="Do not trust this archive unless you know who made it.",
        )


def _is_allowed(member: tarfile.TarInfo) -> bool:
    path = PurePosixPath(member.name)
    if member.name != str(path) or path.is_absolute() or ".." in path.parts or "\0" in member.name:
        return False
    if member.issym() and (not member.linkname or "\0" in member.linkname):
        return False
    # what the kernel accepts
    owners = all(0 <= owner <= HIGHEST_ID for owner in (member.uid, member.gid))
    return owners and abs(member.mtime) < LATEST and 0 <= member.mode <= 0o7777
