"""Restoring in tests: what instances hold row by row and byte by byte, and a restore in one call."""

import hashlib
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

from backups.models import BackupExecution, RestoreExecution
from backups.service.restore.request import RestoreRequest
from backups.service.restore.run import run_restore
from backups.service.restore.start import start_restore, start_undo

TACACS_DATABASES = {
    "config": "data/config_overrides.db",
    "devices": "data/devices.db",
    "users": "data/local_auth.db",
    "accounting": "data/tacacs_accounting.db",
    "metrics": "data/metrics_history.db",
    "audit": "data/audit_trail.db",
}


def restore(source: BackupExecution | Path, instance: str = "", **options: object) -> RestoreExecution:
    """Restore a backup, or an archive file, whole; its error is raised."""
    return run_restore(queue(source, instance, **options).pk)


def queue(
    source: BackupExecution | Path, instance: str = "", *, run_id: str = "", **options: object
) -> RestoreExecution:
    """Queue the restore of `source` as a person confirms it: with the digest of what they were shown."""
    asked: dict[str, Any] = {
        "instance": "tacacs-hq" if isinstance(source, Path) else source.instance,
        "archive_sha256": sha256(source) if isinstance(source, Path) else source.archive_sha256,
    }
    asked |= {"instance": instance} if instance else {}
    return start_restore(RestoreRequest(source=source, **asked | options), by="tests", run_id=run_id)


def undo(restore: RestoreExecution) -> RestoreExecution:
    return run_restore(start_undo(restore, by="tests").pk)


def the_restore() -> RestoreExecution:
    """Return the restore that was begun last, as its row says it is."""
    return RestoreExecution.objects.select_related("safety_backup").latest("created_at")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


Tree = dict[str, tuple[object, ...]]


def tree(root: Path) -> Tree:
    """Return everything below `root`: type, mode, owner and content of each; of folders no times."""
    found: Tree = {}
    for path in sorted(root.rglob("*")):
        info = path.lstat()
        about: tuple[object, ...] = (oct(info.st_mode), info.st_uid, info.st_gid)
        if stat.S_ISLNK(info.st_mode):
            about += (os.readlink(path),)  # noqa: PTH115
        elif stat.S_ISREG(info.st_mode):
            about += (info.st_size, sha256(path))
        found[str(path.relative_to(root))] = about
    return found


Rows = dict[str, list[tuple[object, ...]]]


def all_rows(database: Path) -> Rows:
    """Return the schema and every row of every table, in the order of the rowid where there is one."""
    with closing(sqlite3.connect(database, timeout=5)) as connection:
        connection.text_factory = bytes
        schema = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
        tables = [name for name, sql in schema if sql and sql.upper().startswith(b"CREATE TABLE")]
        rows = {name.decode(): connection.execute(f'SELECT * FROM "{name.decode()}"').fetchall() for name in tables}
    return {"schema": schema, **rows}


def tacacs_state(root: Path) -> dict[str, object]:
    """Return what the six components of a TACACS+ instance hold: rows of the databases, bytes of the file."""
    state: dict[str, object] = {name: all_rows(root / path) for name, path in TACACS_DATABASES.items()}
    return {**state, "file": (root / "config" / "tacacs.conf").read_bytes()}


def drafts(root: Path) -> list[str]:
    """Return what a restore left beside live files."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*.restoring"))


def change(database: Path, *statements: str) -> None:
    with closing(sqlite3.connect(database, timeout=5)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def spoil_tacacs(root: Path) -> None:
    """Change every one of the six components, as a bad day does."""
    change(root / "data/devices.db", "DELETE FROM devices WHERE id > 10", "INSERT INTO realms(name) VALUES ('wrong')")
    change(root / "data/local_auth.db", "UPDATE local_users SET password_hash = 'gone'")
    change(root / "data/tacacs_accounting.db", "DELETE FROM accounting_logs", "DROP TABLE active_sessions")
    change(root / "data/metrics_history.db", "UPDATE metrics_snapshots SET auth_requests = -1")
    change(root / "data/audit_trail.db", "DELETE FROM audit_log WHERE id % 2")
    change(
        root / "data/config_overrides.db",
        "UPDATE config_overrides SET active = 0",
        "INSERT INTO config_overrides(section, key, value, value_type, created_by, active)"
        " VALUES ('server', 'port', '4949', 'integer', 'mallory', 1)",
    )
    conf = root / "config" / "tacacs.conf"
    conf.write_text(conf.read_text().replace("max_connections = 75", "max_connections = 76") + "\n# changed\n")
