"""Rows as the services leave them, without running anything."""

import hashlib
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from backups.archive.manifest.document import Absent, Entry, Manifest
from backups.models import BackupCopy, BackupExecution, DrillExecution, InstanceState
from backups.service.drill.result import result_of
from destinations.models import BackupDestination

Status = BackupExecution.Status
VIEW = "view_backupexecution"


def a_destination(name: str = "nas", **fields: Any) -> BackupDestination:
    destination, _ = BackupDestination.objects.get_or_create(
        name=name, defaults={"type": "local", "config_json": {"path": name}, **fields}
    )
    return destination


def a_manifest(instance: str = "shop", **fields: Any) -> Manifest:
    """Return the manifest of two files and one optional component that was not there."""
    entries = (
        Entry("orders.db", 8192, "a" * 64, "database", "orders", 1234, {"orders": 1200, "customers": 34}),
        Entry("uploads.tar", 2_000_000, "b" * 64, "data", "uploads"),
    )
    values: dict[str, Any] = {
        "instance_id": instance,
        "instance_name": instance,
        "hostname": "host",
        "backup_type": "manual",
        "timestamp_utc": "2026-01-02T03:04:05+00:00",
        "triggered_by": "alice",
        "contents": entries,
        "absent": (Absent("thumbnails", "/srv/shop/thumbnails does not exist."),),
    }
    return Manifest(**values | fields)


def an_execution(instance: str = "shop", *, age: timedelta = timedelta(minutes=5), **fields: Any) -> BackupExecution:
    """Return an execution that began `age` ago; completed after three seconds unless `status` says otherwise."""
    began = timezone.now() - age
    values: dict[str, Any] = {
        "instance": instance,
        "status": Status.COMPLETED,
        "triggered_by": "alice",
        "created_at": began,
        **fields,
    }
    if values["status"] != Status.QUEUED:
        values = {"started_at": began, "timeline": [["preparing", began.isoformat()]], **values}
    if values["status"] not in BackupExecution.ACTIVE:
        values = {"completed_at": began + timedelta(seconds=3), **values}
    if "destination" not in values:
        values["destination"] = a_destination()
    execution = BackupExecution(**values)
    if execution.status == Status.COMPLETED:
        _complete(execution, fields)
    execution.save()
    if execution.backup_path or execution.is_active:
        a_copy(execution)
    return execution


def recopied() -> None:
    """Make the copies anew from the rows of their backups, which a test has changed without a service."""
    BackupCopy.objects.all().delete()
    for execution in BackupExecution.objects.exclude(backup_path=""):
        a_copy(execution)


def a_copy(execution: BackupExecution, destination: BackupDestination | None = None, **fields: Any) -> BackupCopy:
    """Return the copy that the row of `execution` names, or another one of it at `destination`."""
    values = {
        "state": "deleted" if execution.deleted_at else "stored" if execution.backup_path else "waiting",
        "position": execution.copies.count(),
        "path": execution.backup_path,
        "size_bytes": execution.compressed_size_bytes,
        "sha256": execution.archive_sha256,
        "blake2b": execution.archive_blake2b,
        "encryption": execution.encryption,
        "recipients": execution.recipients,
        "missing_at": None if destination else execution.missing_at,
        "stored_at": execution.completed_at,
        "deleted_at": execution.deleted_at,
        "deleted_by": execution.deleted_by,
        "deleted_reason": execution.deleted_reason,
    }
    return BackupCopy.objects.create(
        execution=execution, destination=destination or execution.destination, **values | fields
    )


def _complete(execution: BackupExecution, fields: dict[str, Any]) -> None:
    name = f"backup-{execution.instance}-{execution.pk[:8]}-{execution.kind}.tar.gz"
    made: dict[str, Any] = {
        "stage": BackupExecution.Stage.DONE,
        "backup_filename": name,
        "backup_path": f"{execution.instance}/{execution.kind}/{name}",
        "archive_sha256": hashlib.sha256(name.encode()).hexdigest(),
        "compression": "gzip",
        "size_bytes": 2_008_192,
        "compressed_size_bytes": 1_004_096,
        "files_included": 2,
        "manifest_json": a_manifest(execution.instance).to_dict(),
    }
    for field, value in (made | fields).items():
        setattr(execution, field, value)


def a_drill(execution: BackupExecution, *, age: timedelta = timedelta(), **fields: Any) -> DrillExecution:
    """Return a drill of `execution` that began `age` ago; a `verdict` is kept with the backup too."""
    began = timezone.now() - age
    verdict = fields.get("verdict", "")
    values: dict[str, Any] = {
        "instance": execution.instance,
        "execution": execution,
        "kind": "drill",
        "status": {"passed": "completed", "failed": "failed"}.get(verdict, "queued"),
        "triggered_by": "alice",
        "created_at": began,
        **fields,
    }
    if values["status"] != Status.QUEUED:
        values = {"started_at": began, **values}
    if values["status"] not in DrillExecution.ACTIVE:
        values = {"completed_at": began + timedelta(seconds=3), **values}
    InstanceState.objects.get_or_create(instance=execution.instance)
    run = DrillExecution.objects.create(**values)
    if verdict:
        setattr(execution, run.kind, result_of(run))
        if (run.kind, verdict) == ("drill", "passed"):
            execution.verification = None
        execution.save()
    return run


def a_user(*permissions: str, name: str = "bob") -> User:
    user = User.objects.create_user(name, password="secret", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


def a_client(*permissions: str, name: str = "bob") -> Client:
    """Return the browser of a member of staff who has `permissions`."""
    client = Client()
    client.force_login(a_user(*permissions, name=name))
    return client
