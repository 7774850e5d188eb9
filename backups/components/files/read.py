"""Reading the nested tar of a tree. It may come from anywhere, and TarFile accepts more than such a tar may hold."""

import hashlib
import os
from collections.abc import Iterator

from backups.components.files.format.attributes import PRIVILEGED, take_attributes
from backups.components.files.format.header import (
    FILE,
    FOLDER,
    HARD_LINK,
    HARD_LINKED,
    LINK,
    LONG_NAME,
    LONG_TARGET,
    LONGEST_HEADER,
    PAX,
    ROOT,
    SECOND,
    TAR_BLOCK,
    TYPES,
    MalformedHeaderError,
    Member,
    RawHeader,
    count,
    decode,
    decode_records,
    nanoseconds,
    to_bytes,
    to_text,
)
from backups.components.files.format.order import EntryOrder
from backups.components.files.format.sparse import Segment, decode_map
from backups.errors import ComponentError
from backups.lib.filesystem.walk import DRAFT_INSIDE
from destinations.lib.formats import human_size, printable
from destinations.lib.streams import SkippingSource

BLOCK = 1 << 20
# of the file of a nested tar: many small files at a time
BUFFER_BYTES = 128 * 1024
# parts that lead out of a tree, or to a second spelling of a name in it
NOT_IN_NAMES = frozenset({"", ".", "..", DRAFT_INSIDE})
HIGHEST_ID = 2**32 - 2
# in bytes, of OpenZFS, which has the highest limit; NTFS and FAT reach 765, most file systems 255
LONGEST_PART = 1023
# of the kernel: seconds and sizes are signed 64-bit numbers
LATEST = 2**63
LARGEST_FILE = 2**63 - 1
# of all files of a tree together: an archive must not be able to make a disk look as if it held more than exists
MOST_HOLES = 1 << 50
UNTRUSTED_HINT = "Do not trust this archive unless you know who made it."
SET_ID = 0o6000


class NestedTar:
    """Reads what `pack_tree` wrote, and refuses everything else.

    Iterate over `members` and read the `content` of each before the next; what is not read is skipped. In a tar that is
    not `trusted` no entry has a set-id bit or an attribute that grants privileges.
    """

    def __init__(self, file: SkippingSource, name: str, *, trusted: bool = True) -> None:
        self._file, self._name, self._trusted = file, name, trusted
        # entries of an archive that is not trusted, whose privileges were taken away
        self.limited = 0
        self._segments: list[Segment] = []
        self._unread = 0
        self._holes = 0
        # the sizes of files that have a second name in the tree, by the hash of the first, which may be long
        self._linked: dict[bytes, int] = {}

    @property
    def segments(self) -> list[Segment]:
        """Return where the file that `members` yielded last has data."""
        return self._segments

    def members(self) -> Iterator[Member]:
        """Yield the entries of the tree in the order of `walk`, each in a folder that came before; ROOT may be first.

        Raises ComponentError that names a member which `pack_tree` cannot have written.
        """
        order = EntryOrder()
        while (member := self._next()) is not None:
            if not (_is_allowed(member) and order.accepts(member.name, member.type)):
                raise self.refused(member.name, self._name)
            if not self._trusted:
                self._limit(member)
            yield member
            if left := self._unread + -member.stored % TAR_BLOCK:
                self._file.seek(left, os.SEEK_CUR)

    def content(self) -> Iterator[tuple[int, bytes]]:
        """Yield the bytes of the file that `members` yielded last, each piece with its offset; holes are left out."""
        for start, length in self._segments:
            at, end = start, start + length
            while at < end:
                piece = self._exactly(min(BLOCK, end - at))
                self._unread -= len(piece)
                yield at, piece
                at += len(piece)
        self._segments = []

    def _next(self) -> Member | None:
        try:
            block = self._exactly(TAR_BLOCK)
            if not block.strip(b"\0"):
                return None
            header, records, extended = decode(block), dict[str, bytes](), 0
            while header.flag in (PAX, LONG_NAME, LONG_TARGET):
                # of all together: any number of them may precede an entry
                extended += header.size
                if not (header.size > 0 and extended <= LONGEST_HEADER):
                    raise ComponentError(f"{self._name} holds a name of {extended} bytes.", hint=UNTRUSTED_HINT)
                # with the header that follows, in one read
                following = self._exactly(header.size + -header.size % TAR_BLOCK + TAR_BLOCK)
                records |= _extended(header, following[: header.size])
                header = decode(following[-TAR_BLOCK:])
            return self._member(header, records)
        except MalformedHeaderError as error:
            raise ComponentError(
                f"{self._name} is not a tree that was backed up: {error}.", hint=UNTRUSTED_HINT
            ) from error

    def _member(self, header: RawHeader, records: dict[str, bytes]) -> Member:
        stored_name, stored_target = header.name, header.target
        # most have a time, and nothing else
        mtime = records.pop("mtime", None)
        is_sparse = "GNU.sparse.major" in records
        if records:
            stored_name = records.pop("path", stored_name)
            stored_name = records.pop("GNU.sparse.name", stored_name)
            stored_target = records.pop("linkpath", stored_target)
        name = to_text(stored_name)
        type_ = TYPES.get(header.flag)
        if type_ is None or (header.size and type_ != FILE):
            raise self.refused(name, self._name)
        member = Member(
            name.rstrip("/") if type_ == FOLDER else name,
            type_,
            header.mode,
            header.uid,
            header.gid,
            header.mtime * SECOND if mtime is None else nanoseconds(mtime),
            header.size,
            to_text(stored_target) if type_ in (LINK, HARD_LINK) else "",
            mtime is not None,
            is_sparse,
            stored=header.size,
        )
        if not 0 <= member.size <= LARGEST_FILE:
            raise MalformedHeaderError("a size is impossible")
        self._unread = member.stored
        self._segments = [(0, member.size)] if member.size else []
        if member.sparse:
            self._read_map(member, records)
        if records:
            if records.pop("comment", None) == HARD_LINKED and type_ == FILE:
                member.linked = True
                self._linked[_hash(member.name)] = member.size
            member.attributes = take_attributes(records)
        if records:
            raise MalformedHeaderError(printable(f"an extended header has the record {min(records)[:40]!r}"))
        if type_ == HARD_LINK:
            self._resolve(member)
        return member

    def _read_map(self, member: Member, records: dict[str, bytes]) -> None:
        version = records.pop("GNU.sparse.major"), records.pop("GNU.sparse.minor", b"")
        if member.type != FILE or version != (b"1", b"0"):
            raise MalformedHeaderError("a file with holes is in another format than the PAX format 1.0 of GNU tar")
        member.size = count(records.pop("GNU.sparse.realsize", b""))

        def block() -> bytes:
            self._unread -= TAR_BLOCK
            if self._unread < 0:
                raise MalformedHeaderError("the map of a file with holes is malformed")
            return self._exactly(TAR_BLOCK)

        self._segments, data = decode_map(block, member.size)
        if data != self._unread or member.size > LARGEST_FILE:
            raise MalformedHeaderError("the map of a file with holes is malformed")
        self._holes += member.size - data
        if self._holes > MOST_HOLES:
            raise ComponentError(
                f"{self._name} holds files with holes of more than {human_size(MOST_HOLES)}.", hint=UNTRUSTED_HINT
            )

    def _resolve(self, member: Member) -> None:
        """Give a hard link the size of its target. Raises ComponentError unless that is an earlier file of this tree.

        It has no attributes of its own: they are those of the file.
        """
        if (size := self._linked.get(_hash(member.target))) is None:
            raise self.refused(member.name, self._name)
        member.size, member.attributes = size, {}

    def _limit(self, member: Member) -> None:
        privileged = [key for key in member.attributes if key.startswith(PRIVILEGED)]
        if member.mode & SET_ID or privileged:
            self.limited += 1
        member.mode &= ~SET_ID
        member.attributes = {key: value for key, value in member.attributes.items() if key not in privileged}

    def _exactly(self, size: int) -> bytes:
        data = self._file.read(size) or b""
        if len(data) != size:
            raise ComponentError(f"{self._name} is cut off, so it is not the tree that was backed up.")
        return data

    @staticmethod
    def refused(name: str, archive: str) -> ComponentError:
        return ComponentError(
            printable(f"{archive} holds {name!r}, which does not belong in a tree."), hint=UNTRUSTED_HINT
        )


def _extended(header: RawHeader, data: bytes) -> dict[str, bytes]:
    """Return what `data` says of the entry after it: PAX records, or a long name or target."""
    if header.flag == PAX:
        return dict(decode_records(data))
    return {"path" if header.flag == LONG_NAME else "linkpath": data.removesuffix(b"\0")}


def _hash(name: str) -> bytes:
    return hashlib.sha256(to_bytes(name)).digest()


def _is_allowed(member: Member) -> bool:
    name = member.name
    parts = name.split("/")
    if name != ROOT and not NOT_IN_NAMES.isdisjoint(parts):
        return False
    # no part is longer in bytes than the whole, of which each character takes at most four
    if 4 * len(name) > LONGEST_PART and any(len(to_bytes(part)) > LONGEST_PART for part in parts):
        return False
    if "\0" in name or any("\0" in key for key in member.attributes):
        return False
    if member.type == LINK and (not member.target or "\0" in member.target):
        return False
    # what the kernel accepts
    owners = 0 <= member.uid <= HIGHEST_ID and 0 <= member.gid <= HIGHEST_ID
    return owners and abs(member.mtime_ns) < LATEST * SECOND and 0 <= member.mode <= 0o7777
