"""The files below a folder of this machine."""

import errno
import os
import stat
from collections.abc import Iterator

from destinations.backends.local.folder import Folder
from destinations.backends.local.os_errors import from_os_error
from destinations.exceptions import NotFound
from destinations.transfer.paths import MAX_DEPTH, is_filename, is_segment


def files_in(folder: Folder, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield regular files at any depth, without folders that no archive can be in (lost+found, .snapshot)."""
    for name, info in folder.entries():
        if stat.S_ISREG(info.st_mode):
            yield prefix + name, info
        elif stat.S_ISLNK(info.st_mode) and is_filename(name):
            # links are not followed, and an archive must not be missing from a listing without a word
            raise from_os_error(OSError(errno.ELOOP, ""), "list", f"{folder.where}/{name}")
        elif stat.S_ISDIR(info.st_mode) and is_segment(name) and prefix.count("/") < MAX_DEPTH - 1:
            try:
                child = folder.enter(name)
            except NotFound:  # removed since its parent was listed
                continue
            with child:
                yield from files_in(child, f"{prefix}{name}/")
