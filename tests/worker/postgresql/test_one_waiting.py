"""Deduplication between processes, and the upgrade of a site where several equal runs wait already."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.paths import PROJECT
from tests.support.processes.prepared import Prepared
from tests.support.sites.postgres_server import Postgres
from tests.support.sites.worker_site import SETUP, Site

PROCESSES, ROUNDS = 4, 6
PRESS = """
import sys
from backups.models import BackupExecution
from backups.service.backup.start import start_backup
from backups.service.drill.run import start_drill
from backups.runs.queue.deduplication import AlreadyWaiting
from destinations.models import BackupDestination
nas = BackupDestination.objects.get()
backup = BackupExecution.objects.get(status="completed")
kinds = [lambda: start_backup("shop-0", nas, by="tests"), lambda: start_drill(backup, by="tests")]
print("ready", flush=True)
for line in sys.stdin:
    try:
        found, led = kinds[int(line)](), False
    except AlreadyWaiting as waiting:
        found, led = waiting.run, True
    print(found.pk, led, flush=True)
"""
UPGRADE = """
import json
from datetime import timedelta
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
old = ("backups", "0001_initial")
executor = MigrationExecutor(connection)
executor.migrate([old])
apps = executor.loader.project_state(old).apps
nas = apps.get_model("destinations", "BackupDestination").objects.create(name="nas", type="local", config_json={})
backups, drills = (apps.get_model("backups", name).objects for name in ("BackupExecution", "DrillExecution"))
whole = backups.create(id="whole", instance="shop-0", destination=nas, status="failed", triggered_by="x")
now = timezone.now()
for number in range(3):
    row = dict(instance="shop-0", created_at=now + timedelta(minutes=number), triggered_by="x")
    backups.create(id=f"manual-{number}", destination=nas, kind="manual", **row)
    backups.create(id=f"scheduled-{number}", destination=nas, kind="scheduled", **row)
    drills.create(id=f"drill-{number}", execution=whole, kind="drill", **row)
    drills.create(id=f"verification-{number}", execution=whole, kind="verification", **row)
call_command("migrate", verbosity=0)
from backups.models import BackupExecution, DrillExecution
for model in (BackupExecution, DrillExecution):
    for row in model.objects.order_by("pk"):
        print(json.dumps([row.pk, row.status, row.owner, row.error_message, row.completed_at is None]))
"""


def press_at_once(site: Site) -> None:
    """Let several processes press at the same moment, again and again."""
    site.manage("backup", "shop-0")
    presses = [
        Prepared(
            [sys.executable, "-c", SETUP + PRESS],
            env=site.env,
            cwd=PROJECT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(PROCESSES)
    ]
    try:
        assert [_line(press) for press in presses] == ["ready"] * PROCESSES
        for number in range(ROUNDS):
            for press in presses:
                assert press.stdin is not None
                press.stdin.write(f"{number % 2}\n")
                press.stdin.flush()
            found = [_line(press).split() for press in presses]
            assert len({pk for pk, _ in found}) == 1
            assert sorted(led for _, led in found) == ["False", *["True"] * (PROCESSES - 1)]
            for table in ("backup_executions", "drill_executions"):
                site.execute(f"UPDATE {table} SET status = 'cancelled' WHERE status = 'queued'")
    finally:
        for press in presses:
            press.communicate(timeout=30)


def _line(press: "subprocess.Popen[str]") -> str:
    assert press.stdout is not None
    return press.stdout.readline().strip()


def test_on_sqlite_of_many_who_press_at_once_one_is_first(site: Site) -> None:
    press_at_once(site)


def test_on_postgresql_of_many_who_press_at_once_one_is_first(postgres_site: Site) -> None:
    press_at_once(postgres_site)


def upgrade_with_duplicates(site: Site) -> None:
    """Several of each kind wait when the constraints come: the oldest stays where one is enough."""
    rows = [json.loads(line) for line in site.python(UPGRADE).splitlines()]

    why = "another one that would do the same was waiting already: {}-0"
    waits = [[f"{kind}-0", "queued", "queue", "", True] for kind in ("drill", "manual", "verification")]
    waits += [[f"scheduled-{number}", "queued", "queue", "", True] for number in range(3)]
    ended = [
        [f"{kind}-{number}", "cancelled", "queue", why.format(kind), False]
        for kind in ("drill", "manual", "verification")
        for number in (1, 2)
    ]
    assert sorted(rows) == sorted([*waits, *ended, ["whole", "failed", "queue", "", True]])


def test_on_sqlite_several_that_wait_do_not_stop_the_upgrade(tmp_path: Path) -> None:
    upgrade_with_duplicates(Site(tmp_path, {}))


def test_on_postgresql_several_that_wait_do_not_stop_the_upgrade(postgres: Postgres, tmp_path: Path) -> None:
    upgrade_with_duplicates(Site(tmp_path, {"DATABASE_URL": postgres.create("upgraded_site")}))
