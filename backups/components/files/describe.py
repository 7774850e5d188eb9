"""The header of an entry of a live tree, with its extended attributes."""

import os
from pathlib import Path

from backups.components.files.format.attributes import attribute_records
from backups.components.files.format.header import (
    LONGEST_HEADER,
    SECOND,
    MalformedHeaderError,
    Member,
    encode,
)
from backups.errors import ComponentError
from backups.lib.filesystem.attributes import Attributes, attributes_of
from backups.lib.filesystem.walk import TreeEntry
from backups.lib.paths import unreadable, vanished
from destinations.lib.formats import human_size


def header_of(
    member: Member, what: TreeEntry | Path, attributes: Attributes, records: dict[str, bytes] | None = None
) -> bytes:
    """Return the header of an entry with these attributes. Raises ComponentError where it cannot be kept."""
    try:
        kept = attribute_records(attributes) if attributes else {}
    except MalformedHeaderError as error:
        raise ComponentError(f"{_path(what)} cannot be backed up: {error}.", hint="Remove its access list.") from error
    if records:
        kept |= records
    header = encode(member, kept)
    if len(header) > LONGEST_HEADER:
        raise ComponentError(
            f"{_path(what)} cannot be backed up: its path and extended attributes are longer than"
            f" {human_size(LONGEST_HEADER)}.",
            hint="Leave it out of the component.",
        )
    return header


def described(name: str, type_: str, info: os.stat_result) -> Member:
    """Return the entry `name` with what its stat says."""
    return Member(
        name=name,
        type=type_,
        mode=info.st_mode & 0o7777,
        uid=info.st_uid,
        gid=info.st_gid,
        mtime_ns=info.st_mtime_ns,
        exact=info.st_mtime_ns % SECOND != 0,
    )


def attributes_at(target: int | str, what: TreeEntry | Path) -> Attributes:
    """Return the attributes of an open file or of a path that is not followed. Raises ComponentError."""
    try:
        return attributes_of(target)
    except FileNotFoundError as error:
        raise vanished(_path(what)) from error
    except OSError as error:
        raise unreadable(_path(what), error) from error


def _path(what: TreeEntry | Path) -> Path:
    return what if isinstance(what, Path) else what.path
