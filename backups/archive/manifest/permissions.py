"""Mode and owner of an exported file or folder, as recorded in the manifest."""

import re
from dataclasses import dataclass, replace
from typing import Any, Self

from backups.archive.errors import ArchiveError
from backups.archive.manifest.fields import DAMAGED_HINT, Fields

HIGHEST_ID = 2**32 - 2
MOST_FOLDERS = 64
LONGEST_NAME = 256


@dataclass(frozen=True, slots=True)
class Permissions:
    """Mode and owner of a file or folder, and of its parent `folders`, nearest first.

    `user` and `group` are None when the ids had no name. `trusted` is not in the manifest: it is False for an archive
    of unknown origin.
    """

    mode: int
    uid: int
    gid: int
    user: str | None = None
    group: str | None = None
    folders: tuple["Permissions", ...] = ()
    trusted: bool = True

    def as_untrusted(self) -> Self:
        return replace(self, folders=tuple(folder.as_untrusted() for folder in self.folders), trusted=False)

    def to_dict(self) -> dict[str, Any]:
        names = {"user": self.user, "group": self.group}
        values: dict[str, Any] = {"mode": f"{self.mode:04o}", "uid": self.uid, "gid": self.gid}
        values |= {key: name for key, name in names.items() if name is not None}
        return values | ({"folders": [folder.to_dict() for folder in self.folders]} if self.folders else {})


def read_permissions(fields: Fields, file: str) -> Permissions:
    """Parse what `to_dict` wrote; raises ArchiveError that names `file`."""
    folders = tuple(_read(folder, file) for folder in fields.objects("folders"))
    if len(folders) > MOST_FOLDERS:
        raise ArchiveError(f"The manifest names {len(folders)} folders of {file}.", hint=DAMAGED_HINT)
    return replace(_read(fields, file), folders=folders)


def _read(fields: Fields, file: str) -> Permissions:
    mode = fields.text("mode")
    if re.fullmatch("[0-7]{4}", mode) is None:
        raise ArchiveError(f"The manifest's mode of {file} is not four octal digits.", hint=DAMAGED_HINT)
    return Permissions(
        mode=int(mode, 8),
        uid=_read_id(fields, "uid", file),
        gid=_read_id(fields, "gid", file),
        user=_read_name(fields, "user", file),
        group=_read_name(fields, "group", file),
    )


def _read_id(fields: Fields, key: str, file: str) -> int:
    if (number := fields.count(key)) > HIGHEST_ID:
        raise ArchiveError(f"The manifest's {key} of {file} is out of range.", hint=DAMAGED_HINT)
    return number


def _read_name(fields: Fields, key: str, file: str) -> str | None:
    name = fields.optional_text(key)
    if name is not None and not 0 < len(name) <= LONGEST_NAME:
        raise ArchiveError(f"The manifest's {key} of {file} is not a name.", hint=DAMAGED_HINT)
    return name
