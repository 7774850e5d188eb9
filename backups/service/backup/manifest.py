"""The manifest of a backup: what its archive holds, and what an archive that is not encrypted lacks."""

import platform
import socket
import sqlite3
from dataclasses import replace

from backups.archive.manifest.document import LeftOut, Manifest
from backups.instances import Instance
from backups.models import BackupExecution
from backups.service.backup.export import Contents
from backups.version import APPLICATION
from destinations.lib.formats import listed


def without_sealed(manifest: Manifest, contents: Contents) -> Manifest:
    """Return `manifest` for an archive that is not encrypted, which lacks the parts that are sealed."""
    names = {part.name for part in contents.parts if part.sealed}
    gone = [entry for entry in manifest.contents if entry.file in names]
    if not gone:
        return manifest
    named = listed([entry.file for entry in gone])
    return replace(
        manifest,
        contents=tuple(entry for entry in manifest.contents if entry not in gone),
        left_out=(*manifest.left_out, *(LeftOut(entry.component or "", entry.file, "keys") for entry in gone)),
        warnings=(
            *manifest.warnings,
            f"The archive is not encrypted, so it is without {named}: encrypt it, or keep a copy of these elsewhere.",
        ),
    )


def build_manifest(contents: Contents, instance: Instance, backup: BackupExecution) -> Manifest:
    config = contents.config_info
    started_at = backup.started_at or backup.created_at
    # the identity and version of the service are not read from files that may be damaged
    members = {part.name: part.path for part in contents.parts if part.name not in contents.as_found}
    return Manifest(
        instance_id=instance.service.instance_id(members),
        instance_name=instance.name,
        hostname=socket.gethostname(),
        backup_type=backup.kind,
        timestamp_utc=started_at.isoformat(),
        triggered_by=backup.triggered_by,
        server_version=instance.service.server_version(members),
        python_version=platform.python_version(),
        platform=platform.platform(),
        sqlite_version=sqlite3.sqlite_version,
        config_source=config.source if config else None,
        config_hash=config.hash if config else None,
        has_overrides=config.has_overrides if config else None,
        contents=tuple(contents.entries),
        application=APPLICATION,
        kind=instance.kind,
        warnings=tuple(contents.warnings),
        absent=tuple(contents.absent),
        left_out=tuple(contents.left_out),
    )
