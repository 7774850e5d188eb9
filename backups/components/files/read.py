"""Reading the nested tar of a tree, which may come from anywhere. TarFile reads far more than such a tar may hold."""

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
    """Reads what `pack_tree` wrote, and refuses everything else: it may come from anywhere.

    Iterate over `members`, reading each one's `content` before the next; what is not read is skipped.
    """

    def __init__(self, file: SkippingSource, name: str) -> None:
        self._file, self._name = file, name
        self._unread = 0

    def members(self) -> Iterator[tarfile.TarInfo]:
        """Yield files, folders and symbolic links with names that lie below the root; ROOT is the root itself.

        Raises ComponentError naming what has no place in a tree of ours.
        """
        while (member := self._next()) is not None:
            if not (_is_below(member.name) and _is_possible(member)):
                raise self.refused(member, self._name)
            self._unread = member.size if member.isreg() else 0
            padding = -self._unread % TAR_BLOCK
            yield member
            self._file.seek(self._unread + padding, os.SEEK_CUR)

    def content(self) -> Iterator[bytes]:
        """Yield the bytes of the file that `members` gave last."""
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
            member = self._parsed(block)
            if member.type not in LONG_NAMES:
                break
            long_names[LONG_NAMES[member.type]] = self._long_name(member)
        if member.type not in TYPES or (member.size and not member.isreg()):
            raise self.refused(member, self._name)
        for attribute, value in long_names.items():
            setattr(member, attribute, value.rstrip("/") if member.isdir() else value)
        return member

    def _parsed(self, block: bytes) -> tarfile.TarInfo:
        try:
            return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.TarError as error:
            raise ComponentError(f"{self._name} is not a tree that was backed up: {error}.") from error

    def _long_name(self, member: tarfile.TarInfo) -> str:
        if not 0 < member.size <= LONGEST_NAME:
            raise ComponentError(f"{self._name} holds a name of {member.size} bytes.")
        text = self._exactly(member.size)
        self._exactly(-member.size % TAR_BLOCK)
        return text.removesuffix(b"\0").decode("utf-8", "surrogateescape")

    def _exactly(self, size: int) -> bytes:
        data = self._file.read(size) or b""
        if len(data) != size:
            raise ComponentError(f"{self._name} is cut off, so it is not the tree that was backed up.")
        return data

    @staticmethod
    def refused(member: tarfile.TarInfo, archive: str) -> ComponentError:
        return ComponentError(
            printable(f"{archive} holds {member.name!r}, which has no place in a tree"),
            hint="Do not trust this archive unless you know who made it.",
        )


def _is_below(name: str) -> bool:
    path = PurePosixPath(name)
    return name == str(path) and not path.is_absolute() and ".." not in path.parts and "\0" not in name


def _is_possible(member: tarfile.TarInfo) -> bool:
    """True when the kernel takes its owner, mode and time, and a link has a target."""
    owners = all(0 <= owner <= HIGHEST_ID for owner in (member.uid, member.gid))
    target = not member.issym() or (member.linkname and "\0" not in member.linkname)
    return bool(owners and target and abs(member.mtime) < LATEST and 0 <= member.mode <= 0o7777)
