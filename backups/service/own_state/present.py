"""The present state of this site, which a restore of it replaces: kept in a folder, from which it is put back."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connections
from django.utils import timezone

from backups.archive.manifest.document import Absent, Manifest
from backups.archive.manifest.entry import Entry
from backups.archive.manifest.names import MANIFEST_NAME
from backups.components import ApplyContext, Component, ExportContext, ExportedPart
from backups.errors import BackupError
from backups.instances.kinds.backupsite.database import ALIAS, OwnDatabase
from backups.instances.kinds.backupsite.keys import OwnKeys, key_files
from backups.instances.kinds.backupsite.kind import BackupSite, instances_file, own_database, replaced_root
from backups.lib.filesystem.atomic import create_private
from backups.lib.filesystem.copy import sha256_of
from backups.lib.processes import is_gone
from backups.models import Heartbeat
from backups.runs.recovery.heartbeats import is_fresh
from backups.runs.recovery.liveness import is_dead
from backups.runs.registry import kinds
from backups.version import APPLICATION
from destinations.lib.disks import write_hint
from destinations.lib.operator_error import sentences

SITE = "backupsite"
Checkpoint = Callable[[int], None]


def site_components() -> tuple[OwnDatabase, list[Component]]:
    """Return the database, and the components that are restored before it."""
    files: list[Component] = [OwnKeys()] if key_files() else []
    if getattr(settings, "BACKUP_INSTANCES", None) is None:
        files.append(instances_file())
    return own_database(), files


def what_runs(now: datetime) -> list[str]:
    """Return what of this site runs now, one sentence each."""
    database = own_database()
    if not database.has_tables():
        return []
    found: list[str] = []
    # it may be damaged, or that of another release: a reason to restore it; who has it open still counts
    with suppress(DatabaseError):
        workers = Heartbeat.objects.filter(kind=Heartbeat.Kind.WORKER, stopped_at=None)
        found += [
            f"The worker on {row.host} (process {row.pid}) runs."
            for row in workers
            if is_fresh(row, now) and not is_gone(row.process)
        ]
        for kind in kinds():
            running = kind.rows().filter(status=kind.model.Status.RUNNING)
            found += [
                f"The {run.label} {run.pk[:8]} of {run.instance} runs ({run.worker})."
                for run in running
                if not is_dead(run, now)
            ]
    try:
        return [*found, *database.other_users()]
    finally:
        connections[ALIAS].close()


def keep_present(context_of: Callable[[Path], ExportContext]) -> Path | None:
    """Write the present state into a new folder below `replaced_root`; return it, or None where there is none.

    Raises BackupError; no folder is left then.
    """
    database, files = site_components()
    # the keys that the start of this command made are not worth a folder
    if not database.has_tables() and not any(part.exists() for part in files if not isinstance(part, OwnKeys)):
        return None
    now = timezone.now()
    folder = replaced_root() / f"{now:%Y%m%d-%H%M%S-%f}"
    try:
        for path in (folder.parent, folder):
            path.mkdir(mode=0o700, parents=True, exist_ok=path != folder)
        context = context_of(folder)
        entries: list[Entry] = []
        absent: list[Absent] = []
        for part in (*files, database):
            is_there = database.has_tables() if part is database else part.exists()
            if not is_there:
                absent.append(Absent(part.name, "It did not exist."))
                continue
            export = database.export_whole(context) if part is database else part.export(context)
            entries += [_entry(one) for one in export.parts]
        manifest = Manifest(
            instance_id=SITE, instance_name=SITE, hostname="", backup_type="safety", triggered_by="restoresite",
            timestamp_utc=now.isoformat(), contents=tuple(entries), absent=tuple(absent), application=APPLICATION,
            kind=BackupSite.kind,
        )  # fmt: skip
        with create_private(folder / MANIFEST_NAME) as file:
            file.write(manifest.to_json())
    except OSError as error:
        _discard(folder)
        raise BackupError(
            f"The present state of this site cannot be kept in {folder}: {error.strerror}.",
            hint=sentences(write_hint(error, folder), "Nothing was changed."),
        ) from error
    except BaseException:
        _discard(folder)
        raise
    return folder


def _entry(part: ExportedPart) -> Entry:
    return Entry(
        file=part.name,
        size_bytes=part.path.stat().st_size,
        checksum_sha256=sha256_of(part.path, lambda _: None),
        type=part.type,
        component=part.component,
        permissions=part.permissions,
    )


def _discard(folder: Path) -> None:
    for path in folder.glob("*"):
        path.unlink()
    if folder.exists():
        folder.rmdir()


def kept_state(folder: Path) -> Manifest:
    """Return the manifest of a folder that `keep_present` wrote, whose files are whole. Raises OperatorError."""
    try:
        manifest = Manifest.from_json((folder / MANIFEST_NAME).read_bytes())
        for entry in manifest.contents:
            if sha256_of(folder / entry.file, lambda _: None) != entry.checksum_sha256:
                raise BackupError(f"{folder / entry.file} is not what was kept: its SHA-256 differs.")
    except OSError as error:
        raise BackupError(
            f"{folder} holds no state of this site: {error.strerror}.", hint=f"Name a folder below {replaced_root()}."
        ) from error
    return manifest


def put_back(folder: Path, context_of: Callable[[Path], ApplyContext]) -> None:
    """Bring back the state that `folder` holds. Raises OperatorError."""
    replace_state(kept_state(folder), context_of(folder), (), with_absent=True)


def replace_state(
    manifest: Manifest, context: ApplyContext, statements: Sequence[str], *, with_absent: bool = False
) -> list[str]:
    """Replace files, then the database, by what `manifest` lists, and run `statements` in its transaction.

    Returns notes for the operator. `with_absent` removes what it says did not exist. Raises ComponentError.
    """
    database, files = site_components()
    connections[ALIAS].close()
    absent = {item.component for item in manifest.absent} if with_absent else set()
    notes: list[str] = []
    for part in files:
        entries = manifest.entries_of(part.name)
        if entries:
            part.apply(entries, context)
            notes += part.verify(entries, context)
        elif part.name in absent:
            part.remove()
    entries = manifest.entries_of(database.name)
    if entries:
        database.replace(entries, context, statements)
        notes += database.verify(entries, context)
    elif database.name in absent:
        database.clear()
    return notes
