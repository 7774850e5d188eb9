"""POSIX access control lists: the kernel's extended attribute, and the text that star and GNU tar store.

Sources: linux/posix_acl_xattr.h; acl(5), "SHORT TEXT FORM"; star(5), SCHILY.acl.access and SCHILY.acl.default.
"""

import struct

from backups.components.files.format.header import MalformedHeaderError

# the attribute of the kernel: the PAX keyword
ACLS = {"system.posix_acl_access": "SCHILY.acl.access", "system.posix_acl_default": "SCHILY.acl.default"}
_VERSION = 2
_ENTRY = struct.Struct("<HHI")
_NO_ID = 0xFFFFFFFF
_TAGS = {0x01: "user", 0x02: "user", 0x04: "group", 0x08: "group", 0x10: "mask", 0x20: "other"}
_NAMED = {"user": 0x02, "group": 0x08}
_UNNAMED = {"user": 0x01, "group": 0x04, "mask": 0x10, "other": 0x20}
_BITS = "rwx"
MOST_ENTRIES = 8192


def acl_text(value: bytes) -> bytes:
    """Return the text of an attribute of the kernel. Raises MalformedHeaderError when it is of another version."""
    if value[:4] != struct.pack("<I", _VERSION) or (len(value) - 4) % _ENTRY.size:
        raise MalformedHeaderError("an access control list is malformed")
    entries = []
    for tag, bits, number in _ENTRY.iter_unpack(value[4:]):
        if tag not in _TAGS:
            raise MalformedHeaderError("an access control list is malformed")
        letters = "".join(letter if bits & 4 >> place else "-" for place, letter in enumerate(_BITS))
        entries.append(f"{_TAGS[tag]}:{'' if tag in _UNNAMED.values() else number}:{letters}")
    return ",".join(entries).encode()


def acl_value(text: bytes) -> bytes:
    """Return the attribute of the kernel for such a text; owners are numbers. Raises MalformedHeaderError."""
    entries = text.decode("ascii", "replace").split(",")
    if len(entries) > MOST_ENTRIES:
        raise MalformedHeaderError("an access control list is malformed")
    return struct.pack("<I", _VERSION) + b"".join(map(_packed, entries))


def _packed(entry: str) -> bytes:
    tag, _, rest = entry.partition(":")
    number, _, letters = rest.partition(":")
    known = _NAMED if number else _UNNAMED
    shape = len(letters) == len(_BITS) and all(
        letter in (bit, "-") for letter, bit in zip(letters, _BITS, strict=False)
    )
    if tag not in known or not shape or (number and not (number.isascii() and number.isdigit() and len(number) <= 10)):
        raise MalformedHeaderError("an access control list is malformed")
    bits = sum(4 >> place for place, letter in enumerate(letters) if letter != "-")
    owner = int(number) if number else _NO_ID
    if owner > _NO_ID:
        raise MalformedHeaderError("an access control list is malformed")
    return _ENTRY.pack(known[tag], bits, owner)
