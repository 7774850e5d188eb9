"""Header blocks of tar: the parts of POSIX.1-1988 ustar, GNU and POSIX.1-2001 pax that a backup may use."""

import re
from dataclasses import dataclass

from backups.archive.compression.read import DAMAGED_HINT
from backups.archive.errors import ArchiveError
from backups.archive.manifest.fields import MAX_INTEGER
from backups.archive.manifest.names import quoted

RECORD_BYTES = 512
REGULAR_TYPES = frozenset({b"0", b"\0"})
DIRECTORY_TYPE = b"5"
PAX_TYPE = b"x"
_TYPE_NAMES = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a named pipe",
    b"7": "a contiguous file",
    b"g": "a global PAX header",
    b"L": "a GNU long name",
    b"K": "a GNU long link name",
    b"S": "a sparse file",
    b"D": "a GNU directory dump",
    b"M": "a continuation of another volume",
    b"V": "a volume label",
}
_MAGICS = frozenset({b"ustar\x0000", b"ustar  \0"})
_USTAR_MAGIC = b"ustar\x0000"
_OCTAL = re.compile(rb" *([0-7]+)[ \0]*")
_PAX_LENGTH = re.compile(rb"([1-9][0-9]{0,5}) ")


@dataclass(frozen=True, slots=True)
class Header:
    """A parsed header block: `name` as in the archive, `size` in bytes."""

    name: str
    size: int
    type: bytes


def parse_header(block: bytes) -> Header:
    """Parse one header of 512 bytes; raises ArchiveError when its format, checksum or size is wrong."""
    if block[257:265] not in _MAGICS:
        raise ArchiveError("The archive is damaged: a tar header is of an unknown format.", hint=DAMAGED_HINT)
    # the checksum field itself counts as eight spaces
    checksum = sum(block) - sum(block[148:156]) + 8 * ord(" ")
    if _parse_octal(block[148:156]) != checksum:
        raise ArchiveError("The archive is damaged: a tar header's checksum is wrong.", hint=DAMAGED_HINT)
    name = _c_string(block[0:100])
    if block[257:265] == _USTAR_MAGIC and block[345] != 0:
        name = f"{_c_string(block[345:500])}/{name}"
    field = block[124:136]
    # base-256, a GNU extension for 8 GiB and more; the sign is the second highest bit
    size = int.from_bytes(field, "big") - (1 << 95) if field[0] == 0x80 else _parse_octal(field)
    if size is None or size > MAX_INTEGER:
        raise ArchiveError(f"The archive's member {quoted(name)} has an impossible size.", hint=DAMAGED_HINT)
    return Header(name, size, block[156:157])


def type_name(type_: bytes) -> str:
    return _TYPE_NAMES.get(type_, f"of the unknown type {type_!r}")


def _c_string(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "backslashreplace")


def _parse_octal(field: bytes) -> int | None:
    match = _OCTAL.fullmatch(field)
    return None if match is None else int(match[1], 8)


def parse_pax(data: bytes) -> dict[str, str]:
    """Parse the records of an extended header; raises ArchiveError for a malformed, repeated or sparse one."""
    records: dict[str, str] = {}
    while data:
        # "LENGTH KEY=VALUE\n", where the length counts itself and the line break
        match = _PAX_LENGTH.match(data)
        length = int(match[1]) if match else 0
        if match is None or not match.end() < length <= len(data) or data[length - 1 : length] != b"\n":
            raise _malformed_pax()
        key, equals, value = data[match.end() : length - 1].partition(b"=")
        data = data[length:]
        name = key.decode("utf-8", "backslashreplace")
        if not equals or not key or name in records:
            raise _malformed_pax()
        if name.startswith("GNU.sparse."):
            raise ArchiveError("The archive holds a sparse file, which no backup has.", hint=DAMAGED_HINT)
        records[name] = value.decode("utf-8", "backslashreplace")
    return records


def _malformed_pax() -> ArchiveError:
    return ArchiveError("The archive is damaged: an extended tar header is malformed.", hint=DAMAGED_HINT)
