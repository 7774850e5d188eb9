"""Names of members: without folders, short and valid on every file system."""

import re

from backups.archive.errors import ArchiveError

MANIFEST_NAME = "manifest.json"
# the merged configuration, ``{section: {key: text}}``, made from the other members
EXPORT_NAME = "config_export.json"
MAX_NAME_LENGTH = 128
_FLAT_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def is_flat_name(name: str) -> bool:
    return len(name) <= MAX_NAME_LENGTH and _FLAT_NAME.fullmatch(name) is not None


def check_flat_name(name: str, where: str) -> str:
    """Return `name` when it is valid for a member; otherwise raise ArchiveError that names it and `where` it is."""
    if is_flat_name(name):
        return name
    raise ArchiveError(
        f"{where} names the file {quoted(name)}, which is not a plain file name.",
        hint="Names are letters, digits, '_', '-' and '.', at most 128 characters, without folders.",
    )


def quoted(name: str) -> str:
    """Return a name of untrusted origin for a message: quoted, escaped and at most 200 characters of it."""
    return ascii(name if len(name) <= 200 else name[:200] + "...")
