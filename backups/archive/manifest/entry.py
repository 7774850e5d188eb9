"""The entries of a manifest: what is in an archive, and what should have been."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from backups.archive.errors import ArchiveError
from backups.archive.manifest.fields import DAMAGED_HINT, Fields
from backups.archive.manifest.names import MANIFEST_NAME, check_flat_name
from backups.archive.manifest.permissions import Permissions, read_permissions

EntryType = Literal["database", "config", "data"]
# the component of each file in archives that a service writes itself: filled by the kinds of service
FOREIGN_COMPONENTS: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Unchecked:
    """A table of a database that the program which made the backup could not check or count, and why.

    `table` is empty for the database as a whole.
    """

    table: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        return {"table": self.table, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Entry:
    """One member. `records` and `tables` count rows; `newest` holds the newest timestamp per table, as stored there.

    `permissions` are those of the file or folder that it was made of; None where that is not known.
    `files` and `file_bytes` are of a tree: how many files and links are in it, and what the files hold together.
    `records` is None and `tables` incomplete where `not_counted` names a table.
    """

    file: str
    size_bytes: int
    checksum_sha256: str
    type: EntryType
    component: str | None = None
    records: int | None = None
    tables: Mapping[str, int] | None = None
    newest: Mapping[str, str] | None = None
    permissions: Permissions | None = None
    files: int | None = None
    file_bytes: int | None = None
    not_checked: tuple[Unchecked, ...] = ()
    not_counted: tuple[Unchecked, ...] = ()

    @property
    def is_tree(self) -> bool:
        """A folder is packed as NAME.tar, and nothing else is."""
        return self.type == "data" and self.file == f"{self.component}.tar"

    def to_dict(self) -> dict[str, Any]:
        values: dict[str, Any] = {
            "file": self.file,
            "size_bytes": self.size_bytes,
            "checksum_sha256": self.checksum_sha256,
            "type": self.type,
        }
        extras = {
            "records": self.records,
            "component": self.component,
            "tables": self.tables,
            "newest": self.newest,
            "files": self.files,
            "file_bytes": self.file_bytes,
        }
        given = {key: value for key, value in extras.items() if value is not None}
        values |= {key: dict(value) if isinstance(value, Mapping) else value for key, value in given.items()}
        values |= {"permissions": self.permissions.to_dict()} if self.permissions else {}
        gaps = {"not_checked": self.not_checked, "not_counted": self.not_counted}
        return values | {key: [item.to_dict() for item in items] for key, items in gaps.items() if items}


@dataclass(frozen=True, slots=True)
class Absent:
    """An optional component that could not be exported, and why."""

    component: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        return {"component": self.component, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What lies at `path` within a component and is not in its tree: a place of the site that made the backup.

    `what` it holds: archives, workspaces, database, keys or logs.
    """

    component: str
    path: str
    what: str

    def to_dict(self) -> dict[str, Any]:
        return {"component": self.component, "path": self.path, "what": self.what}


def read_entry(fields: Fields, *, foreign: bool) -> Entry:
    """Read one entry, a foreign one with the component its file name tells; raises ArchiveError naming the field."""
    file = check_flat_name(fields.text("file"), MANIFEST_NAME)
    component = fields.optional_text("component")
    if foreign and component is None:
        component = FOREIGN_COMPONENTS.get(file)
    return Entry(
        file=file,
        size_bytes=fields.count("size_bytes"),
        checksum_sha256=_read_checksum(fields, file),
        type=_read_type(fields, file),
        component=component,
        records=fields.optional_count("records"),
        tables=fields.counts("tables"),
        newest=fields.text_mapping("newest"),
        permissions=_read_permissions(fields, file) if not foreign else None,
        files=fields.optional_count("files"),
        file_bytes=fields.optional_count("file_bytes"),
        not_checked=_read_unchecked(fields, "not_checked"),
        not_counted=_read_unchecked(fields, "not_counted"),
    )


def _read_unchecked(fields: Fields, key: str) -> tuple[Unchecked, ...]:
    return tuple(Unchecked(item.text("table"), item.text("reason")) for item in fields.objects(key))


def _read_checksum(fields: Fields, file: str) -> str:
    checksum = fields.text("checksum_sha256")
    if re.fullmatch("[0-9a-f]{64}", checksum) is None:
        raise ArchiveError(f"The manifest's checksum of {file} is not a SHA-256 in hexadecimal.", hint=DAMAGED_HINT)
    return checksum


def _read_permissions(fields: Fields, file: str) -> Permissions | None:
    return read_permissions(fields.section("permissions"), file) if fields.has("permissions") else None


def _read_type(fields: Fields, file: str) -> EntryType:
    value = fields.text("type")
    if value not in get_args(EntryType):
        raise ArchiveError(
            f"The manifest's type of {file} is {value[:40]!r}, not database, config or data.", hint=DAMAGED_HINT
        )
    return cast("EntryType", value)
