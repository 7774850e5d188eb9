"""manifest.json, the list of what is in an archive.

It has the keys of the TACACS+ server's own archives, so that each program reads the other's, and more keys of ours.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from backups.archive.errors import ArchiveError, NotPossibleHere
from backups.archive.manifest.entry import Absent, Entry, EntryType, LeftOut, Unchecked, read_entry
from backups.archive.manifest.fields import DAMAGED_HINT, Fields, parse_json
from backups.archive.manifest.names import MANIFEST_NAME

__all__ = [
    "FOREIGN_FORMAT",
    "FORMAT",
    "MAX_MANIFEST_BYTES",
    "Absent",
    "Entry",
    "EntryType",
    "LeftOut",
    "Manifest",
    "Unchecked",
]

FORMAT = 1
FOREIGN_FORMAT = 0  # without our keys: written by the TACACS+ server
MAX_MANIFEST_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The content of manifest.json. `timestamp_utc` is ISO 8601 with an offset; `kind` is the kind of service."""

    instance_id: str
    instance_name: str
    hostname: str
    backup_type: str
    timestamp_utc: str
    triggered_by: str
    contents: tuple[Entry, ...]
    backup_version: str = "1.0"
    server_version: str | None = None
    python_version: str | None = None
    platform: str | None = None
    sqlite_version: str | None = None
    config_source: str | None = None
    config_hash: str | None = None
    has_overrides: bool | None = None
    encrypted: bool = False
    encryption_algorithm: str | None = None
    encryption_metadata: Mapping[str, object] | None = None
    format: int = FORMAT
    application: str | None = None
    kind: str | None = None
    warnings: tuple[str, ...] = ()
    absent: tuple[Absent, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    @property
    def total_size_bytes(self) -> int:
        return sum(entry.size_bytes for entry in self.contents)

    @property
    def is_foreign(self) -> bool:
        """True for an archive written by the service itself."""
        return self.format == FOREIGN_FORMAT

    @property
    def taken_at(self) -> datetime | None:
        """`timestamp_utc` as an aware datetime, None when it is malformed."""
        try:
            taken_at = datetime.fromisoformat(self.timestamp_utc)
        except ValueError:
            return None
        # without an offset it may be off by hours, and retention decides by it
        return taken_at if taken_at.tzinfo is not None else None

    @property
    def components(self) -> tuple[str, ...]:
        """The components that have at least one entry, in the order of `contents`."""
        return tuple(dict.fromkeys(entry.component for entry in self.contents if entry.component is not None))

    def entries_of(self, component: str) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.contents if entry.component == component)

    def entry(self, file: str) -> Entry | None:
        return next((entry for entry in self.contents if entry.file == file), None)

    def as_untrusted(self) -> Self:
        """Return an untrusted copy: a restore of it creates files without shared write bits and without privileges."""
        entries = (
            replace(entry, permissions=entry.permissions and entry.permissions.as_untrusted(), trusted=False)
            for entry in self.contents
        )
        return replace(self, contents=tuple(entries))

    def to_dict(self) -> dict[str, Any]:
        return {
            "backup_metadata": {
                "instance_id": self.instance_id,
                "instance_name": self.instance_name,
                "hostname": self.hostname,
                "backup_type": self.backup_type,
                "timestamp_utc": self.timestamp_utc,
                "triggered_by": self.triggered_by,
                "backup_version": self.backup_version,
            },
            "system_info": {
                "server_version": self.server_version,
                "python_version": self.python_version,
                "platform": self.platform,
                "sqlite_version": self.sqlite_version,
            },
            "config_info": {
                "config_source": self.config_source,
                "config_hash": self.config_hash,
                "has_overrides": self.has_overrides,
            },
            "contents": [entry.to_dict() for entry in self.contents],
            "total_size_bytes": self.total_size_bytes,
            "encrypted": self.encrypted,
            "encryption_algorithm": self.encryption_algorithm,
            "encryption_metadata": self.encryption_metadata and dict(self.encryption_metadata),
            "format": self.format,
            "application": self.application,
            "kind": self.kind,
            "warnings": list(self.warnings),
            "absent": [absent.to_dict() for absent in self.absent],
            "left_out": [left_out.to_dict() for left_out in self.left_out],
        }

    def to_json(self) -> bytes:
        return json.dumps(self.to_dict(), indent=2, allow_nan=False).encode("ascii") + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Parse strictly; raises ArchiveError that names the wrong key or file."""
        if len(data) > MAX_MANIFEST_BYTES:
            raise ArchiveError(f"{MANIFEST_NAME} is larger than {MAX_MANIFEST_BYTES} bytes.", hint=DAMAGED_HINT)
        return cls.from_dict(parse_json(data, MANIFEST_NAME))

    @classmethod
    def from_dict(cls, values: object) -> Self:
        """Parse what `to_dict` or the server wrote; raises ArchiveError that names the wrong key or file."""
        top = Fields(values, "")
        version = top.optional_count("format")
        if version is not None and version > FORMAT:
            raise NotPossibleHere(
                f"This archive has format version {version}; this program reads up to version {FORMAT}.",
                hint="Upgrade backupsite to the version that made the archive, or a newer one.",
            )
        format_ = FOREIGN_FORMAT if version is None else version
        metadata, system, config = (top.section(key) for key in ("backup_metadata", "system_info", "config_info"))
        manifest = cls(
            instance_id=metadata.text("instance_id"),
            instance_name=metadata.text("instance_name"),
            hostname=metadata.text("hostname"),
            backup_type=metadata.text("backup_type"),
            timestamp_utc=metadata.text("timestamp_utc"),
            triggered_by=metadata.text("triggered_by"),
            backup_version=metadata.text("backup_version"),
            server_version=system.optional_text("server_version"),
            python_version=system.optional_text("python_version"),
            platform=system.optional_text("platform"),
            sqlite_version=system.optional_text("sqlite_version"),
            config_source=config.optional_text("config_source"),
            config_hash=config.optional_text("config_hash"),
            has_overrides=config.optional_boolean("has_overrides"),
            contents=tuple(
                read_entry(fields, foreign=format_ == FOREIGN_FORMAT)
                for fields in top.objects("contents", required=True)
            ),
            encrypted=top.boolean("encrypted"),
            encryption_algorithm=top.optional_text("encryption_algorithm"),
            encryption_metadata=top.document("encryption_metadata"),
            format=format_,
            application=top.optional_text("application"),
            kind=top.optional_text("kind"),
            warnings=top.texts("warnings"),
            absent=tuple(Absent(item.text("component"), item.text("reason")) for item in top.objects("absent")),
            left_out=tuple(
                LeftOut(item.text("component"), item.text("path"), item.text("what"))
                for item in top.objects("left_out")
            ),
        )
        seen = {MANIFEST_NAME}
        for entry in manifest.contents:
            # case-insensitively: the two would be one file on some file systems
            if entry.file.lower() in seen:
                raise ArchiveError(f"The manifest lists {entry.file} twice.", hint=DAMAGED_HINT)
            seen.add(entry.file.lower())
        declared = top.count("total_size_bytes")
        if declared != manifest.total_size_bytes:
            raise ArchiveError(
                f"The manifest says {declared} bytes in all, but its entries add up to {manifest.total_size_bytes}.",
                hint=DAMAGED_HINT,
            )
        return manifest
