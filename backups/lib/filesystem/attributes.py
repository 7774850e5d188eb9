"""Extended attributes of files and folders: access control lists and file capabilities are among them."""

import errno
import os
from collections.abc import Mapping

# hashes and signatures that the kernel computes for each file itself
KERNEL_MADE = frozenset({"security.evm", "security.ima"})
# what a file has only because somebody gave it, or because its folder passes it on; the system makes others itself,
# such as labels and the access lists of NFS
GIVEN = ("user.", "trusted.", "security.capability", "system.posix_acl_")
UNSUPPORTED = frozenset({errno.ENOTSUP, errno.ENOSYS})
# removed meanwhile, or of a kind that this user may see and not read
UNREADABLE = frozenset({errno.ENODATA, errno.EPERM, errno.EACCES})

Attributes = dict[str, bytes]


def attributes_of(target: int | str) -> Attributes:
    """Return the attributes of an open file, or of a path whose last part is not followed. Raises OSError."""
    follow = isinstance(target, int)
    try:
        names = os.listxattr(target, follow_symlinks=follow)
    except OSError as error:
        if error.errno in UNSUPPORTED:
            return {}
        raise
    found = {}
    for name in names:
        if name in KERNEL_MADE:
            continue
        try:
            found[name] = os.getxattr(target, name, follow_symlinks=follow)
        except OSError as error:
            if error.errno not in UNREADABLE | UNSUPPORTED:
                raise
    return found


def set_attributes(target: int | str, wanted: Mapping[str, bytes]) -> dict[str, str]:
    """Give exactly these attributes to an open file, or to a path whose last part is not followed.

    Returns those that it does not take, with the reason.
    """
    follow = isinstance(target, int)
    refused = {}
    for name in attributes_of(target):
        if name not in wanted and name.startswith(GIVEN):
            try:
                os.removexattr(target, name, follow_symlinks=follow)
            except OSError as error:
                refused[name] = os.strerror(error.errno or 0)
    for name, value in wanted.items():
        try:
            os.setxattr(target, name, value, follow_symlinks=follow)
        except OSError as error:
            refused[name] = os.strerror(error.errno or 0)
    return refused
