"""The headers of a nested tar: those of GNU tar, with a PAX header where an entry has what they cannot hold.

Sources: the GNU tar manual, "Basic Tar Format" and "Sparse Formats" (PAX, version 1.0); POSIX.1-2001, pax; star(5) for
SCHILY.xattr and SCHILY.acl.
"""

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

FILE, FOLDER, LINK, HARD_LINK = "file", "folder", "link", "hard link"
TAR_BLOCK = 512
ROOT = "."
SECOND = 10**9
# the names and attributes of one entry
LONGEST_HEADER = 4 << 20
TYPES = {b"0": FILE, b"\0": FILE, b"5": FOLDER, b"2": LINK, b"1": HARD_LINK}
FLAGS = {FILE: b"0", FOLDER: b"5", LINK: b"2", HARD_LINK: b"1"}
LONG_NAME, LONG_TARGET, PAX = b"L", b"K", b"x"
LONG_HEADER_NAME = b"././@LongLink"
NAME_BYTES = 100
GNU_MAGIC, USTAR_MAGIC = b"ustar  \0", b"ustar\x0000"
# the comment of a file that has a second name further on in the tree
HARD_LINKED = b"hard-linked"
# mode, uid, gid, size, mtime and checksum, all octal: those of nearly every header
PLAIN_NUMBERS = re.compile(rb"([0-7]{7})\0([0-7]{7})\0([0-7]{7})\0([0-7]{11})\0([0-7]{11})\0([0-7]{6})\0 ")
BLANK = ord(" ")
OCTAL = re.compile(rb" *([0-7]+)[ \0]*")
DECIMAL_TIME = re.compile(rb"(-?)([0-9]{1,19})(?:\.([0-9]{1,9})[0-9]*)?")
DECIMAL = re.compile("[0-9]{1,19}")


class MalformedHeaderError(ValueError):
    """A header that is no header of a nested tar; the text says why."""


@dataclass(slots=True)
class Member:
    """An entry of a nested tar. `name` is relative to the root of the tree; ROOT is the root itself.

    `size` is that of the file, `stored` the bytes that the tar has of it, which differ for a `sparse` one. `mtime_ns`
    is `exact` where the tar, or the file system, has fractions of seconds. A file is `linked` when it has a second name
    further on in the tree, a HARD_LINK whose `target` it is.
    """

    name: str
    type: str
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    size: int = 0
    target: str = ""
    exact: bool = False
    sparse: bool = False
    linked: bool = False
    stored: int = 0
    attributes: dict[str, bytes] = field(default_factory=dict)


class RawHeader(NamedTuple):
    """A header of 512 bytes as it stands in the tar."""

    name: bytes
    flag: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    target: bytes


def encode(member: Member, records: Mapping[str, bytes] | None = None) -> bytes:
    """Return the headers of `member`, with these PAX records besides those that follow from it."""
    name = to_bytes(member.name) + (b"/" if member.type == FOLDER else b"")
    target = to_bytes(member.target)
    extra = dict(records or {})
    if member.sparse:
        # other programs than GNU tar must not take what is stored for the file
        extra |= {"GNU.sparse.major": b"1", "GNU.sparse.minor": b"0", "GNU.sparse.name": name}
        extra["GNU.sparse.realsize"] = str(member.size).encode()
        folder, _, base = name.rpartition(b"/")
        name = b"/".join(filter(None, (folder, b"GNUSparseFile.0", base)))
    seconds, fraction = divmod(abs(member.mtime_ns), SECOND)
    if member.exact and fraction:
        sign = "-" if member.mtime_ns < 0 else ""
        extra["mtime"] = f"{sign}{seconds}.{fraction:09d}".encode()
    before = b""
    if extra:
        if len(name) > NAME_BYTES:
            extra.setdefault("path", name)
        if len(target) > NAME_BYTES:
            extra["linkpath"] = target
        text = b"".join(_record(key, value) for key, value in extra.items())
        label = b"./PaxHeaders/" + name.rstrip(b"/").rpartition(b"/")[2][:80]
        before = _block(label, PAX, len(text), magic=USTAR_MAGIC) + _padded(text)
    else:
        # as tar writes them: readers of earlier archives know them
        for long, flag in ((target, LONG_TARGET), (name, LONG_NAME)):
            if len(long) > NAME_BYTES:
                before += _block(LONG_HEADER_NAME, flag, len(long) + 1) + _padded(long + b"\0")
    mtime = -seconds if member.mtime_ns < 0 else seconds
    size = member.stored if member.sparse else member.size if member.type == FILE else 0
    return before + _block(
        name,
        FLAGS[member.type],
        size,
        mode=member.mode,
        uid=member.uid,
        gid=member.gid,
        mtime=mtime,
        target=target,
        # GNU tar reads the map of a sparse file only in this format
        magic=USTAR_MAGIC if extra else GNU_MAGIC,
    )


def _block(
    name: bytes,
    flag: bytes,
    size: int,
    *,
    mode: int = 0,
    uid: int = 0,
    gid: int = 0,
    mtime: int = 0,
    target: bytes = b"",
    magic: bytes = GNU_MAGIC,
) -> bytes:
    # an or of numbers is negative where one of them is, and below a power of 2 where all are
    if 0 <= mode | uid | gid < 1 << 21 and 0 <= size | mtime < 1 << 33:
        numbers = b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (mode, uid, gid, size, mtime)
    else:
        numbers = b"".join((_number(mode, 8), _number(uid, 8), _number(gid, 8), _number(size, 12), _number(mtime, 12)))
    before = name[:NAME_BYTES].ljust(NAME_BYTES, b"\0") + numbers
    after = flag + target[:NAME_BYTES].ljust(NAME_BYTES, b"\0") + magic
    # the field of the checksum is counted as blanks
    checksum = b"%06o\0 " % (_sum(before) + 8 * BLANK + _sum(after))
    return (before + checksum + after).ljust(TAR_BLOCK, b"\0")


def _sum(data: bytes) -> int:
    """Return the sum of at most 256 bytes, which are too few for Adler-32 to take it modulo 65521."""
    return (zlib.adler32(data) & 0xFFFF) - 1


def _number(value: int, width: int) -> bytes:
    if 0 <= value < 8 ** (width - 1):
        return b"%0*o\0" % (width - 1, value)
    # base-256, for what is negative or too large
    return (b"\x80" if value >= 0 else b"\xff") + value.to_bytes(width - 1, "big", signed=value < 0)


def _record(key: str, value: bytes) -> bytes:
    rest = b" " + to_bytes(key) + b"=" + value + b"\n"
    length = len(rest) + len(str(len(rest)))
    if len(str(length)) + len(rest) != length:
        length += 1
    return str(length).encode() + rest


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % TAR_BLOCK)


def decode(block: bytes) -> RawHeader:
    """Parse a header of 512 bytes. Raises MalformedHeaderError."""
    magic = block[257:265]
    if magic not in (GNU_MAGIC, USTAR_MAGIC):
        raise MalformedHeaderError("a header is of an unknown format")
    if (plain := PLAIN_NUMBERS.fullmatch(block, 100, 156)) is not None:
        digits = plain.groups()
        mode, uid, gid = int(digits[0], 8), int(digits[1], 8), int(digits[2], 8)
        size, mtime, checksum = int(digits[3], 8), int(digits[4], 8), int(digits[5], 8)
    else:
        fields = ((100, 108), (108, 116), (116, 124), (124, 136), (136, 148), (148, 156))
        mode, uid, gid, size, mtime, checksum = (_parsed(block[start:end]) for start, end in fields)
    # the field of the checksum was counted as blanks
    if checksum != _sum(block[:256]) + _sum(block[256:]) - sum(block[148:156]) + 8 * BLANK:
        raise MalformedHeaderError("the checksum of a header is wrong")
    name = _field(block[0:100])
    if block[345] and magic == USTAR_MAGIC:
        name = _field(block[345:500]) + b"/" + name
    return RawHeader(name, block[156:157], mode, uid, gid, size, mtime, _field(block[157:257]))


def _field(data: bytes) -> bytes:
    return data.partition(b"\0")[0]


def _parsed(data: bytes) -> int:
    if data[0] in (0x80, 0xFF):
        return int.from_bytes(data[1:], "big") - (1 << 8 * (len(data) - 1) if data[0] == 0xFF else 0)
    if (match := OCTAL.fullmatch(data)) is None:
        raise MalformedHeaderError("a number in a header is malformed")
    return int(match[1], 8)


def decode_records(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the records of a PAX header. Raises MalformedHeaderError."""
    at = 0
    while at < len(data):
        # "LENGTH KEY=VALUE\n", where the length counts itself and the line break
        blank = data.find(b" ", at, at + 8)
        digits = data[at:blank] if blank > at else b""
        end = at + int(digits) if digits.isdigit() else 0
        equals = data.find(b"=", blank, end)
        if not blank < equals < end <= len(data) or data[end - 1 : end] != b"\n" or equals == blank + 1:
            raise MalformedHeaderError("an extended header is malformed")
        yield to_text(data[blank + 1 : equals]), data[equals + 1 : end - 1]
        at = end


def nanoseconds(text: bytes) -> int:
    """Return a time in a PAX record. Raises MalformedHeaderError."""
    if (match := DECIMAL_TIME.fullmatch(text)) is None:
        raise MalformedHeaderError("a time in an extended header is malformed")
    sign, seconds, fraction = match.groups(b"")
    value = int(seconds) * SECOND + int(fraction.ljust(9, b"0"))
    return -value if sign else value


def count(text: bytes) -> int:
    """Return a number in a PAX record. Raises MalformedHeaderError."""
    if (match := DECIMAL.fullmatch(text.decode("ascii", "replace"))) is None:
        raise MalformedHeaderError("a number in an extended header is malformed")
    return int(match[0])


def to_bytes(text: str) -> bytes:
    """Return a name as the bytes that it consists of."""
    return text.encode("utf-8", "surrogateescape")


def to_text(data: bytes) -> str:
    """Return bytes of a name as text; those that are no UTF-8 become surrogates."""
    return data.decode("utf-8", "surrogateescape")
