"""Sixty days of history for a demo: rows of backups, drills and failures whose archives a rule has deleted since.

Only the newest backup of each instance is a real one, which restores. The rows before it say in their comment what they
are, and that their archives are deleted.
"""

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from backups.errors import BackupError
from backups.management.quickstart.setup import DEMO_INSTANCES, copy_demo, write_private
from backups.models import (
    BackupCopy,
    BackupExecution,
    BackupSchedule,
    DrillExecution,
    InstanceState,
    KeyCheck,
    KeyState,
)
from backups.models.columns import ComponentAmount
from backups.models.run import new_id
from backups.service.drill.result import result_of
from backups.service.schedules.planning import plan
from destinations.lib.formats import counted
from destinations.models import BackupDestination

DAYS = 60
COMMENT = "demo history: only this row was made"
SERVICES = ("shop", "wiki", "radius", "mail", "dns", "proxy", "ldap", "git")
SERVICE = '\n[{name}]\nkind = "generic"\nroot = {root}\ncomponents.notes = {{kind = "files", path = "notes"}}\n'
ERRORS = (
    ("The destination did not answer within 60 seconds.", "Run `testdestination local`."),
    ("No space is left at the destination.", "Free space there, or shorten what its rule keeps."),
)


@dataclass(frozen=True, slots=True)
class Habit:
    """How an instance does: how often a run fails, its growth a day, and on how many last days all runs failed."""

    bytes: int
    amounts: list[ComponentAmount]
    growth: float
    failing: float
    failed_days: int
    drilled: bool


def describe_instances(count: int) -> str:
    """Write an instances file with the demo instance and `count` - 1 small ones. Return what was done.

    Raises BackupError on a site that is in use: invented rows beside real ones would mislead.
    """
    target = Path(settings.BACKUP_INSTANCES_FILE)
    if not 1 <= count <= 1000:
        raise BackupError(f"A demo cannot have {count} instances.", hint="Choose a number from 1 to 1000.")
    if target.exists() or BackupExecution.objects.exists():
        raise BackupError(
            "This site is in use, and a demo history has no place beside real backups.",
            hint="Choose an empty BACKUPSITE_HOME, and a database of its own.",
        )
    text = [DEMO_INSTANCES.format(root=json.dumps(str(copy_demo())))]
    for name in names_of(count)[1:]:
        root = Path(settings.BACKUPSITE_HOME) / "demo-services" / name
        (root / "notes").mkdir(parents=True, mode=0o700)
        (root / "notes" / "readme.txt").write_text(f"This is {name} of the demo.\n")
        text.append(SERVICE.format(name=name, root=json.dumps(str(root))))
    write_private(target, "".join(text).encode())
    return f"instances   {target}, with {counted(count, 'demo instance')}"


def names_of(count: int) -> list[str]:
    return ["tacacs-demo", *(f"{SERVICES[number % len(SERVICES)]}-{number:03}" for number in range(1, count))]


def backed_up(names: list[str]) -> list[str]:
    """Return those of `names` that are to have a real backup: of the others the last nights failed."""
    return [name for number, name in enumerate(names) if not _failed_days(number)]


def make_history(names: list[str], destination: BackupDestination) -> str:
    """Add the rows of the last DAYS days of each instance, and a schedule. Return what was done."""
    dice, now = random.Random(20261127), timezone.now()  # noqa: S311 - believable, not secret
    backups: list[BackupExecution] = []
    drills: list[DrillExecution] = []
    for number, name in enumerate(names):
        newest = BackupExecution.objects.completed().of_instance(name).newest_first().without_manifest().first()
        habit = _habit(number, newest, dice)
        rows = list(_backups(name, number, habit, destination, now, dice))
        backups += rows
        drills += _drills(rows, habit, dice)
        schedule = BackupSchedule(
            name=f"nightly {name}", instance=name, destination=destination, expression=f"{number % 60} 2 * * *",
            created_by="quickstart",
        )  # fmt: skip
        plan(schedule)
        if habit.failed_days:
            failed = {"last_status": "failed", "consecutive_failures": habit.failed_days, "last_error": ERRORS[0][0]}
            BackupSchedule.objects.filter(pk=schedule.pk).update(**failed, last_run=rows[-1].completed_at)
    BackupExecution.objects.bulk_create(backups, batch_size=500)
    BackupCopy.objects.bulk_create(map(_copy, (row for row in backups if row.backup_path)), batch_size=500)
    DrillExecution.objects.bulk_create(drills, batch_size=500)
    InstanceState.objects.bulk_create((InstanceState(instance=name) for name in names), ignore_conflicts=True)
    for name in names[1:2]:
        _copy_elsewhere(name, now)
    return f"history     {DAYS} days: {counted(len(backups), 'backup')} and {counted(len(drills), 'drill')}, rows only"


def _habit(number: int, newest: BackupExecution | None, dice: random.Random) -> Habit:
    size = newest.compressed_size_bytes if newest and newest.compressed_size_bytes else 100_000
    # of twenty one was never drilled
    amounts = (newest.amounts if newest else None) or [
        ComponentAmount(component="notes", rows=None, files=1, bytes=size)
    ]
    return Habit(size, amounts, dice.choice([0.0, 0.002, 0.006, 0.012]), 0.04, _failed_days(number), number % 20 != 7)


def _failed_days(number: int) -> int:
    """Return since how many days all runs of that instance fail: of one in twenty."""
    return 2 + number % 3 if number % 20 == 3 else 0


def _backups(
    name: str, number: int, habit: Habit, destination: BackupDestination, now: datetime, dice: random.Random
) -> Iterator[BackupExecution]:
    """Yield a backup of each night, the oldest first."""
    night = now.replace(hour=2, minute=number % 60, second=0, microsecond=0)
    for age in range(DAYS, -1, -1):
        at = night - timedelta(days=age)
        if at > now or (age == 0 and not habit.failed_days):
            continue
        row = BackupExecution(
            instance=name, destination=destination, kind="scheduled", triggered_by=f"schedule nightly {name}",
            comment=COMMENT, created_at=at, started_at=at, completed_at=at + timedelta(seconds=3 + dice.random() * 9),
            stage=BackupExecution.Stage.DONE, status=BackupExecution.Status.COMPLETED,
        )  # fmt: skip
        if age < habit.failed_days or dice.random() < habit.failing:
            row.status, row.stage = BackupExecution.Status.FAILED, BackupExecution.Stage.UPLOADING
            row.error_message, row.error_hint = ERRORS[0] if age < habit.failed_days else dice.choice(ERRORS)
        else:
            _complete(row, habit, (1 - habit.growth * age * 0.8) * (0.98 + dice.random() * 0.04))
        yield row


def _complete(row: BackupExecution, habit: Habit, share: float) -> None:
    """Let it have made an archive of `share` of what the newest backup has."""
    size = max(int(habit.bytes * share), 1)
    file = f"backup-{row.instance}-{row.created_at:%Y%m%d-%H%M%S}-scheduled.tar.gz"
    row.backup_filename, row.backup_path = file, f"{row.instance}/scheduled/{file}"
    # of no archive: the name alone makes it unique
    row.archive_sha256 = hashlib.sha256(file.encode()).hexdigest()
    row.compression, row.compressed_size_bytes, row.size_bytes = "gzip", size, size * 3
    row.files_included, row.manifest_json = 1, {}
    row.amounts = [
        ComponentAmount(
            component=amount["component"],
            rows=None if amount["rows"] is None else int(amount["rows"] * share),
            files=amount["files"],
            bytes=int(amount["bytes"] * share),
        )
        for amount in habit.amounts
    ]
    row.deleted_at, row.deleted_by = row.created_at + timedelta(hours=23), "quickstart"
    row.deleted_reason = COMMENT


def _copy(row: BackupExecution) -> BackupCopy:
    return BackupCopy(
        execution=row, destination=row.destination, state=BackupCopy.State.DELETED, path=row.backup_path,
        size_bytes=row.compressed_size_bytes, sha256=row.archive_sha256, created_at=row.created_at,
        stored_at=row.completed_at, deleted_at=row.deleted_at, deleted_by="quickstart", deleted_reason=COMMENT,
    )  # fmt: skip


def _copy_elsewhere(name: str, now: datetime) -> None:
    """Let the newest backup of `name` have an encrypted copy on another machine: so one instance is protected.

    Only its row is made, at a destination that is disabled and that nothing is read from or sent to.
    """
    newest = BackupExecution.objects.stored().of_instance(name).without_manifest().newest_first().first()
    if newest is None:
        return
    elsewhere = BackupDestination(name="off-site-demo", type="sftp", enabled=False, created_by="quickstart")
    # of the addresses for documentation: no machine has it
    elsewhere.configure(
        {
            "host": "192.0.2.1",
            "username": "backup",
            "base_path": "demo",
            "password": "-",
            "known_hosts_file": "/dev/null",
        }
    )
    elsewhere.save()
    BackupCopy.objects.create(
        execution=newest, destination=elsewhere, position=1, state=BackupCopy.State.STORED, path=newest.backup_path,
        size_bytes=newest.compressed_size_bytes, sha256=newest.archive_sha256, encryption="age",
        created_at=newest.created_at, stored_at=newest.completed_at, verified_by="quickstart",
    )  # fmt: skip
    opens = {name: KeyState.OPENS.value}
    KeyCheck.objects.create(
        destination=elsewhere, checked_at=now, next_at=now + timedelta(days=1), by_instance=opens
    )  # fmt: skip


def _drills(rows: list[BackupExecution], habit: Habit, dice: random.Random) -> Iterator[DrillExecution]:
    """Yield a drill of every seventh backup."""
    if not habit.drilled:
        return
    for row in [row for row in rows if row.backup_path][::7]:
        at = row.created_at + timedelta(hours=1)
        run = DrillExecution(
            id=new_id(), instance=row.instance, execution=row, kind=DrillExecution.Kind.DRILL, comment=COMMENT,
            triggered_by="quickstart", status=DrillExecution.Status.COMPLETED, stage=DrillExecution.Stage.DONE,
            verdict=DrillExecution.Verdict.PASSED, seconds=round(2 + dice.random() * 6, 1), bytes=row.size_bytes,
            created_at=at, started_at=at, completed_at=at + timedelta(seconds=9),
        )  # fmt: skip
        row.drill = result_of(run)
        yield run
