"""The entries of a manifest: members, and components and paths that are not in the archive."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from backups.archive.errors import ArchiveError
from backups.archive.manifest.fields import DAMAGED_HINT, Fields
from backups.archive.manifest.names import MANIFEST_NAME, check_flat_name
from backups.archive.manifest.permissions import Permissions, read_permissions

EntryType = Literal["database", "config", "data"]
# the component of each file in archives written by a service itself; each kind of service adds its own
FOREIGN_COMPONENTS: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Unchecked:
    """A table that could not be checked or counted during the backup, and why; `table` is "" for the database."""

    table: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        return {"table": self.table, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Entry:
    """One member of the archive.

    `records` and `tables` count rows; `records` is None and `tables` is incomplete when `not_counted` names a table.
    `newest` has the newest timestamp of each table, as stored there. `permissions` are those of the exported file or
    folder, None when unknown. A tree has the number of its files and links in `files`, their bytes in `file_bytes`.
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
    # not part of the manifest: False when no known key signed the archive
    trusted: bool = True

    @property
    def is_tree(self) -> bool:
        """True for an exported folder, which is packed as NAME.tar."""
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
    """A path in the folder of a component that was left out of its tree because it belongs to the backup site.

    `what` is there: archives, workspaces, database, keys or logs.
    """

    component: str
    path: str
    what: str

    def to_dict(self) -> dict[str, Any]:
        return {"component": self.component, "path": self.path, "what": self.what}


def read_entry(fields: Fields, *, foreign: bool) -> Entry:
    """Parse one entry; the component of a `foreign` one follows from its file name. Raises ArchiveError."""
    file = check_flat_name(fields.text("file"), MANIFEST_NAME)
    component = fields.optional_text("component")
    if foreign and component is None:
        component = FOREIGN_COMPONENTS.get(file)
    checksum = fields.text("checksum_sha256")
    if re.fullmatch("[0-9a-f]{64}", checksum) is None:
        raise ArchiveError(f"The manifest's checksum of {file} is not a SHA-256 in hexadecimal.", hint=DAMAGED_HINT)
    type_ = fields.text("type")
    if type_ not in get_args(EntryType):
        raise ArchiveError(
            f"The manifest's type of {file} is {type_[:40]!r}, not database, config or data.", hint=DAMAGED_HINT
        )
    permissions = None
    if fields.has("permissions") and not foreign:
        permissions = read_permissions(fields.section("permissions"), file)
    return Entry(
        file=file,
        size_bytes=fields.count("size_bytes"),
        checksum_sha256=checksum,
        type=cast("EntryType", type_),
        component=component,
        records=fields.optional_count("records"),
        tables=fields.counts("tables"),
        newest=fields.text_mapping("newest"),
        permissions=permissions,
        files=fields.optional_count("files"),
        file_bytes=fields.optional_count("file_bytes"),
        not_checked=_read_unchecked(fields, "not_checked"),
        not_counted=_read_unchecked(fields, "not_counted"),
    )


def _read_unchecked(fields: Fields, key: str) -> tuple[Unchecked, ...]:
    return tuple(Unchecked(item.text("table"), item.text("reason")) for item in fields.objects(key))
