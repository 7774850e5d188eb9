"""A site with years behind it: instances, destinations, schedules, and as many executions as wanted.

Run as a program it makes one, in the home and the database that the environment names:
``history.py EXECUTIONS [INSTANCES [DESTINATIONS]]``. SQLite is left as it is before the first ANALYZE.
"""

import json
import os
import sys
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parents[1]
INSTANCES, DESTINATIONS, RESTORES, DEEDS = 200, 50, 2_000, 20_000
KEEPS_ALL = "place-00"  # every archive of its instances is still there
PRUNES = "place-01"  # its archives are files, and so are their copies elsewhere
SERVICES = ("shop", "wiki", "radius", "mail")
INSTANCES_FILE = """\
[{name}]
kind = "generic"
root = {root}
components.orders = {{kind = "files", path = "orders"}}
components.uploads = {{kind = "files", path = "uploads"}}

"""


def names(count: int) -> list[str]:
    return [f"{SERVICES[number % len(SERVICES)]}-{number:03}" for number in range(count)]


def describe_instances(home: Path, names: list[str]) -> None:
    """Write instances.toml, and the files of each instance."""
    text = []
    for name in names:
        root = home / "instances" / name
        for component in ("orders", "uploads"):
            (root / component).mkdir(parents=True)
            (root / component / "data").write_text(name)
        text.append(INSTANCES_FILE.format(name=name, root=json.dumps(str(root))))
    (home / "instances.toml").write_text("".join(text))


def make_history(count: int, names: list[str], places: int) -> None:
    from django.contrib.auth.models import User
    from django.db import connection
    from django.utils import timezone

    from backups.models import BackupCopy, BackupExecution, DrillExecution, InstanceState
    from benchmarks.executions import CONFIG_HASH, copies, drills, executions

    now = timezone.now()
    destinations = make_destinations(min(places, len(names)))
    schedules = make_schedules(names, destinations, now)
    InstanceState.objects.bulk_create(InstanceState(instance=name, config_hash=CONFIG_HASH) for name in names)
    copy_in(BackupExecution, executions(names, count // len(names), destinations, schedules, KEEPS_ALL, now))
    # read before: no query is answered while the connection takes a COPY
    copy_in(BackupCopy, list(copies(destinations, KEEPS_ALL, now)))
    copy_in(DrillExecution, list(drills()))
    store_archives()
    make_restores(now)
    make_records(count, names, now)
    make_deeds(User.objects.create_superuser("admin"))
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")


def make_destinations(count: int) -> list[Any]:
    from django.conf import settings

    from benchmarks.executions import DAYS, MONTHS
    from destinations.models import BackupDestination

    rows = []
    for number in range(count):
        row = BackupDestination(name=f"place-{number:02}", type="local", last_backup_status="completed")
        if row.name != KEEPS_ALL:
            row.retention_strategy, row.keep_daily, row.keep_monthly = "gfs", DAYS, MONTHS
        row.configure({})
        rows.append(row)
        Path(settings.BACKUP_ROOT, row.name).mkdir(parents=True, mode=0o700)
    return BackupDestination.objects.bulk_create(rows)


def make_schedules(names: list[str], destinations: list[Any], now: datetime) -> list[Any]:
    """One for each instance, which makes its history, and for every fourth another one that is paused."""
    from backups.models import BackupSchedule

    rows = []
    for number, name in enumerate(names):
        common = {"instance": name, "destination": destinations[number % len(destinations)], "type": "cron"}
        soon = now + timedelta(hours=1, minutes=number)
        rows.append(BackupSchedule(name=f"{name}-twice", expression="7 */12 * * *", next_run=soon, **common))
        if number % 4 == 0:
            rows.append(BackupSchedule(name=f"{name}-weekly", expression="0 3 * * 0", enabled=False, **common))
    BackupSchedule.objects.bulk_create(rows)
    return [row for row in rows if row.enabled]


def copy_in(model: Any, values: Iterable[dict[str, Any]]) -> None:
    """Write a row for each of `values`, by COPY where there is one; what is not named is as in a new one."""
    from django.db import connection
    from django.db.models.expressions import DatabaseDefault

    fresh, usual = model(), {}
    for field in model._meta.concrete_fields:
        if not field.generated:
            value = field.pre_save(fresh, add=True)
            # A new row leaves these columns to the database, but COPY wants a value for each column that it names.
            value = field.db_default if isinstance(value, DatabaseDefault) else value
            usual[field.column] = field.get_db_prep_save(value, connection)
    columns, rows = ", ".join(usual), (list((usual | row).values()) for row in values)
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            marks = ", ".join(["%s"] * len(usual))
            cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", list(rows))
            return
        with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)


def store_archives() -> None:
    """Let the archives of PRUNES lie there, and at each other destination that has a copy, as sparse files."""
    from django.conf import settings

    from backups.models import BackupCopy

    there = BackupCopy.objects.stored().filter(execution__copies__destination__name=PRUNES)
    for place, path, size in there.values_list("destination__name", "path", "size_bytes"):
        file = Path(settings.BACKUP_ROOT, place, path)
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.touch()
        os.truncate(file, size)


def make_restores(now: datetime) -> None:
    from backups.models import BackupExecution, RestoreExecution

    there = BackupExecution.objects.filter(status="completed", deleted_at=None).only("instance", "archive_sha256")
    rows = []
    for number, backup in enumerate(there.order_by("archive_sha256")[:RESTORES]):
        at = now - timedelta(hours=12 * number)
        row = RestoreExecution(instance=backup.instance, execution=backup, archive_sha256=backup.archive_sha256)
        row.status, row.stage, row.triggered_by = "failed" if number % 20 == 0 else "completed", "done", "alice"
        row.created_at = row.started_at = row.completed_at = at
        row.acknowledged_at = None if number < 3 else at
        rows.append(row)
    RestoreExecution.objects.bulk_create(rows)


def make_records(count: int, names: list[str], now: datetime) -> None:
    from backups.models import BackupCopy, CopyExecution, Delivery, Notice, NotificationChannel
    from benchmarks.records import FOR_EACH_COPYING, FOR_EACH_NOTICE, copyings, deliveries, notices

    # disabled: nothing is sent by a benchmark
    channels = [NotificationChannel.objects.create(name=name, kind="ping", enabled=False) for name in ("ops", "boss")]
    copy_in(Notice, notices(names, count // FOR_EACH_NOTICE, now))
    copy_in(Delivery, deliveries(channels, count // FOR_EACH_NOTICE, now))
    rows = BackupCopy.objects.filter(position=1).select_related("execution").only("execution__instance").order_by("pk")
    copy_in(CopyExecution, list(copyings(list(rows[: count // FOR_EACH_COPYING]), now)))


def make_deeds(admin: Any) -> None:
    """What people did, in the admin's own history."""
    from django.contrib.admin.models import CHANGE, LogEntry
    from django.contrib.contenttypes.models import ContentType

    from backups.models import BackupExecution

    common = {"user": admin, "action_flag": CHANGE, "change_message": "Downloaded."}
    common["content_type"] = ContentType.objects.get_for_model(BackupExecution)
    ids = BackupExecution.objects.order_by("pk").values_list("pk", flat=True)[:DEEDS]
    LogEntry.objects.bulk_create(LogEntry(object_id=pk, **common) for pk in ids)


if __name__ == "__main__":
    sys.path[:0] = [str(SCRIPTS.parent), str(SCRIPTS)]
    os.environ["DJANGO_SETTINGS_MODULE"] = "backupsite.settings"
    import django

    executions_in_all, *counts = (int(word) for word in sys.argv[1:])
    of_instances, of_destinations = (*counts, *(INSTANCES, DESTINATIONS)[len(counts) :])
    instances = names(of_instances)
    describe_instances(Path(os.environ["BACKUPSITE_HOME"]), instances)
    django.setup()
    make_history(executions_in_all, instances, of_destinations)
