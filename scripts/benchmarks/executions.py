"""Executions as years of backups leave them, as columns for COPY."""

import json
import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

SPACING = timedelta(hours=12)
# the rule of all destinations but one: the newest backup of so many days and months
DAYS, MONTHS = 90, 24
DELETED_AFTER = timedelta(days=45)
RUNNING, WAITING = 5, 15
KINDS = {"scheduled": 90, "manual": 5, "config_change": 4, "safety": 1}
STATUSES = {"completed": 95, "failed": 3, "cancelled": 1, "interrupted": 1}
COMMENTS = ("", "before the upgrade", "requested by the audit")
UNKNOWN = "the moment"
# no configuration has changed since
CONFIG_HASH = "c" * 64
DICE = random.Random(20261123)
Columns = dict[str, Any]


def new_id() -> str:
    return str(UUID(int=DICE.getrandbits(128), version=4))


def digest() -> str:
    return f"{DICE.getrandbits(256):064x}"


def one_of(weights: dict[str, int]) -> str:
    return DICE.choices(list(weights), list(weights.values()))[0]


def executions(
    names: Sequence[str],
    each: int,
    destinations: Sequence[Any],
    schedules: Sequence[Any],
    keeps_all: str,
    now: datetime,
) -> Iterator[Columns]:
    """Yield `each` executions of every instance, two a day, the oldest first, and some that wait or run.

    At the destination `keeps_all` every archive is still there.
    """
    manifests = {name: manifest_of(name) for name in names}
    for age in range(each, 0, -1):
        for number, name in enumerate(names):
            at = now - age * SPACING + timedelta(seconds=number * 30)
            where, schedule = destinations[number % len(destinations)], schedules[number]
            columns = ended(name, at, schedule) | {"destination_id": where.pk}
            if columns["status"] == "completed":
                kept = where.name == keeps_all or left_by_rule(at, now)
                columns |= archive(columns, age, manifests[name], kept=kept)
            yield columns
    for number, name in enumerate(names[: RUNNING + WAITING]):
        yield active(name, destinations[number], now, running=number < RUNNING)


def left_by_rule(at: datetime, now: datetime) -> bool:
    """Return whether the rule keeps the backup of that time."""
    following = at + SPACING
    daily = following.date() != at.date() and now - at < timedelta(days=DAYS)
    monthly = following.month != at.month and now - at < timedelta(days=30 * MONTHS)
    return following >= now or daily or monthly


def ended(name: str, at: datetime, schedule: Any) -> Columns:
    kind, status = one_of(KINDS), one_of(STATUSES)
    slot = {"schedule_id": schedule.pk, "scheduled_for": at} if kind == "scheduled" else {}
    by = f"schedule {schedule.name}" if slot else "alice"
    stages = [[stage, at.isoformat()] for stage in ("preparing", "exporting", "checking", "packing", "uploading")]
    return {
        "id": new_id(),
        "instance": name,
        "kind": kind,
        "status": status,
        "stage": "done",
        "comment": by if slot else DICE.choice(COMMENTS),
        "triggered_by": by,
        "created_at": at,
        "started_at": at,
        "completed_at": at + timedelta(seconds=4),
        "worker": "hq:4711",
        "timeline": json.dumps(stages),
        "error_message": "" if status == "completed" else "the destination did not answer within 60 seconds",
        **slot,
    }


def archive(columns: Columns, age: int, manifest: str, *, kept: bool) -> Columns:
    """Return what a completed execution has besides; unless it is kept, or pinned, it is deleted."""
    name, kind, at = columns["instance"], columns["kind"], columns["started_at"]
    pinned = DICE.random() < 0.002
    kept = kept or pinned
    file = f"backup-{name}-{at:%Y%m%d-%H%M%S}-{kind}.tar.gz"
    return {
        "backup_filename": file,
        "backup_path": f"{name}/{kind}/{file}",
        "archive_sha256": digest(),
        "archive_blake2b": digest() * 2,
        "compression": "gzip",
        "encryption": "age",
        "recipients": '["0123456789abcdef"]',
        "size_bytes": 9_000_000,
        "compressed_size_bytes": 3_000_000 + DICE.randrange(100_000),
        "files_included": 8,
        "verified_at": at if age % 7 == 0 else None,
        "pinned": pinned,
        "pin_reason": "the audit" if pinned else "",
        "drill": drilled(at) if age % 30 == 0 else None,
        "copies_state": "all" if kept else "",
        "manifest_json": manifest.replace(UNKNOWN, at.isoformat(timespec="seconds")),
        "deleted_at": None if kept else at + DELETED_AFTER,
        "deleted_reason": "" if kept else "older than the rule keeps",
    }


def drilled(at: datetime) -> str:
    sizes = {"bytes": 9_000_000, "archive_bytes": 3_000_000, "files": 8, "rows": 94_127}
    took = {"seconds": 1.5, "checking_seconds": 0.5, "at": at.isoformat(), "by": "alice", "warnings": []}
    return json.dumps({"verdict": "passed"} | sizes | took)


def copies(destinations: Sequence[Any], keeps_all: str, now: datetime) -> Iterator[Columns]:
    """Yield the copy of each archive at the destination that its row names, and of every second one another copy.

    That is deleted earlier where only the rule of the first destination keeps the backup.
    """
    from backups.models import BackupExecution

    columns = ("pk", "destination_id", "backup_path", "compressed_size_bytes", "archive_sha256", "completed_at")
    rows = BackupExecution.objects.completed().order_by().values_list(*columns, "deleted_at", "created_at", "pinned")
    following = {one.pk: other.pk for one, other in pairwise([*destinations, destinations[0]])}
    everything = next(one.pk for one in destinations if one.name == keeps_all)
    for number, (pk, first, path, size, sha256, ended_at, gone_at, created_at, pinned) in enumerate(rows):
        for position, where in enumerate([first, following[first]][: 1 + number % 2]):
            goes = where != everything and not pinned and not left_by_rule(created_at, now)
            deleted_at = created_at + DELETED_AFTER if goes else gone_at
            yield {
                "id": new_id(),
                "execution_id": pk,
                "destination_id": where,
                "position": position,
                "state": "stored" if deleted_at is None else "deleted",
                "path": path,
                "size_bytes": size,
                "sha256": sha256,
                "encryption": "age",
                "recipients": '["0123456789abcdef"]',
                "created_at": created_at,
                "stored_at": ended_at,
                "deleted_at": deleted_at,
            }


def drills() -> Iterator[Columns]:
    """Yield the drill of each backup that has a result of one."""
    from backups.models import BackupExecution

    rows = BackupExecution.objects.filter(drill__isnull=False).order_by()
    for pk, instance, ended_at in rows.values_list("pk", "instance", "completed_at"):
        at = ended_at + timedelta(hours=1)
        times = {"created_at": at, "started_at": at, "completed_at": at + timedelta(seconds=2)}
        yield {
            "id": new_id(),
            "execution_id": pk,
            "instance": instance,
            "status": "completed",
            "stage": "done",
            "verdict": "passed",
            "seconds": 1.5,
            "triggered_by": "alice",
            **times,
        }


def active(name: str, where: Any, now: datetime, *, running: bool) -> Columns:
    """Return a running or queued backup, with a heartbeat of tomorrow so that no tick reaps it."""
    later = now + timedelta(days=1)
    state = {"started_at": now, "heartbeat_at": later, "worker": "branch:1"} if running else {"rang_at": later}
    status = "running" if running else "queued"
    common = {"id": new_id(), "instance": name, "destination_id": where.pk, "created_at": now, "triggered_by": "alice"}
    return common | {"status": status} | state


def manifest_of(name: str) -> str:
    """Return the JSON of a manifest of eight files, about 3 kB, as a TACACS+ instance has one; its date is UNKNOWN."""
    from backups.archive.manifest.document import Entry, Manifest

    tables = {"devices": 120, "groups": 7, "accounting_logs": 90_000, "history": 4_000}
    entries = [Entry(f"part-{n}.db", 1_000_000 + n, digest(), "database", "orders", 94_127, tables) for n in range(8)]
    manifest = Manifest(
        instance_id=name,
        instance_name=name,
        hostname="hq",
        backup_type="scheduled",
        timestamp_utc=UNKNOWN,
        triggered_by="schedule",
        contents=tuple(entries),
        config_hash=CONFIG_HASH,
    )
    return json.dumps(manifest.to_dict())
