"""Real archives at a real destination, with the rows that their backups leave."""

import hashlib
import io
import sqlite3
import tempfile
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings

from backups.archive.manifest.document import Entry
from backups.archive.tar.write import Part, write_archive
from backups.models import BackupExecution
from destinations.models import BackupDestination
from tests.support.rows import a_manifest, an_execution

NOW = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def an_archive(
    instance: str = "app", *, taken_at: datetime | str = NOW, rows: int = 3, counted: int = 0, **facts: Any
) -> bytes:
    """Return an archive with one database of so many orders; its content differs with date and instance.

    `counted` is what its manifest says of them, where that is wrong.
    """
    moment = taken_at if isinstance(taken_at, str) else taken_at.isoformat()
    data = _database(f"{instance} {moment}", rows)
    said = counted or rows
    entry = Entry(
        "orders.db", len(data), hashlib.sha256(data).hexdigest(), "database", "orders", said, {"orders": said}
    )
    manifest = replace(a_manifest(instance), **{"contents": (entry,), "absent": (), "timestamp_utc": moment} | facts)
    target = io.BytesIO()
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        write_archive(target, manifest, [Part(Path(file.name), "orders.db")], level=1)
    return target.getvalue()


def _database(text: str, rows: int) -> bytes:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, text TEXT)")
        connection.executemany("INSERT INTO orders (text) VALUES (?)", [(text,)] * rows)
        connection.commit()
        return connection.serialize()


def name_of(instance: str, taken_at: datetime, kind: str = "manual") -> str:
    return f"backup-{instance}-{taken_at:%Y%m%d-%H%M%S}-{kind}.tar.gz"


def put(destination: BackupDestination, path: str, data: bytes) -> Path:
    """Lay a file into the folder of `destination`, as a person or another program does."""
    target = folder_of(destination) / path
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    target.write_bytes(data)
    return target


def folder_of(destination: BackupDestination) -> Path:
    return Path(settings.BACKUP_ROOT) / str(destination.config_json["path"])


def file_of(execution: BackupExecution) -> Path:
    return folder_of(execution.destination) / execution.backup_path


def signature_of(execution: BackupExecution) -> Path:
    archive = file_of(execution)
    return archive.with_name(f"{archive.name}.minisig")


def stored(
    destination: BackupDestination, instance: str = "app", *, taken_at: datetime = NOW, **fields: Any
) -> BackupExecution:
    """Return the row of a completed backup whose archive lies at `destination`."""
    kind = fields.setdefault("kind", "manual")
    data = an_archive(instance, taken_at=taken_at, backup_type=kind)
    path = fields.get("backup_path") or f"{instance}/{kind}/{name_of(instance, taken_at, kind)}"
    put(destination, path, data)
    values = {
        "destination": destination,
        "backup_path": path,
        "backup_filename": path.rpartition("/")[2],
        "archive_sha256": hashlib.sha256(data).hexdigest(),
        "compressed_size_bytes": len(data),
        "manifest_json": a_manifest(instance, timestamp_utc=taken_at.isoformat()).to_dict(),
        "created_at": taken_at,
        "started_at": taken_at,
        "completed_at": taken_at + timedelta(seconds=3),
    }
    return an_execution(instance, **values | fields)


def daily(
    destination: BackupDestination, days: int, instance: str = "app", *, newest: datetime = NOW, **fields: Any
) -> list[BackupExecution]:
    """One backup on each of so many days, the newest first."""
    return [stored(destination, instance, taken_at=newest - age * DAY, **fields) for age in range(days)]


def there(executions: Iterable[BackupExecution]) -> list[int]:
    """Return the places in `executions` of those whose file exists."""
    return [place for place, execution in enumerate(executions) if file_of(execution).exists()]


def recorded(executions: Iterable[BackupExecution]) -> list[int]:
    """Return the places of those that are not marked as deleted."""
    return [
        place
        for place, execution in enumerate(executions)
        if BackupExecution.objects.get(pk=execution.pk).deleted_at is None
    ]
