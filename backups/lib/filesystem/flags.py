"""Flags of files and folders that keep even root from changing them: `chattr +i` and `chattr +a`."""

import ctypes
import os
import struct
from pathlib import Path

# of statx(2), linux/stat.h and linux/fcntl.h
AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
ATTRIBUTES = struct.Struct("=8xQ")
PROTECTIONS = {0x10: "immutable", 0x20: "append-only"}
ANY_PROTECTION = sum(PROTECTIONS)
# once: a walk asks for every entry
Buffer = ctypes.c_char * 256
LIBC = ctypes.CDLL(None)


def protection(path: str | Path, folder: int = AT_FDCWD) -> str:
    """Return "immutable" or "append-only" for an entry that has this flag, else "".

    `path` is relative to the open `folder`, and its last part is not followed. What the system cannot tell counts as no
    flag.
    """
    found = Buffer()
    # no permission to read it is needed, as for the ioctl of chattr
    if not hasattr(LIBC, "statx") or LIBC.statx(folder, os.fsencode(path), AT_SYMLINK_NOFOLLOW, 0, found):
        return ""
    (attributes,) = ATTRIBUTES.unpack_from(found)
    if not attributes & ANY_PROTECTION:
        return ""
    return next(name for flag, name in PROTECTIONS.items() if attributes & flag)
