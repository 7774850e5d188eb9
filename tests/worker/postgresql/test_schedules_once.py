"""Two hosts tick at the same moment: each slot of each schedule starts one run."""

import subprocess
import sys
import time
from collections import Counter

from tests.support.paths import PROJECT
from tests.support.processes.prepared import Prepared
from tests.support.sites.worker_site import SETUP, Site

SCHEDULES, ROUNDS = 12, 4
DECLARE = """
from django.utils import timezone
from backups.models import BackupSchedule
from destinations.models import BackupDestination
nas, now = BackupDestination.objects.get(), timezone.now().replace(second=0, microsecond=0)
for name in {names!r}:
    BackupSchedule.objects.create(
        name=name, instance=name, destination=nas, type="interval", expression="minutes:1", next_run=now)
"""
TICK = """
import time
from datetime import timedelta
from django.db.models import F
from backups.worker.tick import start_scheduled
from backups.models import BackupSchedule
for number in range({rounds}):
    time.sleep(max(0, {start} + 1.2 * number - time.time()))
    start_scheduled("backups")
    time.sleep(max(0, {start} + 1.2 * number + 0.8 - time.time()))
    if {first}:
        BackupSchedule.objects.update(next_run=F("next_run") - timedelta(minutes=2 + number))
"""


def tick_on_two_hosts(site: Site) -> None:
    site.python(DECLARE.format(names=site.declare(SCHEDULES)))
    start = time.time() + 3
    hosts = [
        Prepared(
            [sys.executable, "-c", SETUP + TICK.format(start=start, rounds=ROUNDS, first=host == "east")],
            env=site.env | {"BACKUP_WORKSPACE_ROOT": str(site.home / host)},
            cwd=PROJECT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for host in ("east", "west")
    ]
    for process in hosts:
        errors = process.communicate(timeout=60)[1].decode()
        assert process.returncode == 0, errors


def each_slot_once(site: Site) -> None:
    slots = Counter(site.rows("SELECT schedule_id, scheduled_for FROM backup_executions"))
    assert set(slots.values()) == {1}
    assert Counter(schedule for schedule, _ in slots).keys() == {
        row[0] for row in site.rows("SELECT id FROM backup_schedules")
    }
    assert site.rows("SELECT count(*) FROM backup_executions WHERE kind <> 'scheduled'") == [(0,)]
    assert site.rows("SELECT max(consecutive_failures) FROM backup_schedules") == [(0,)]


def test_on_sqlite_each_slot_is_started_once(site: Site) -> None:
    tick_on_two_hosts(site)
    each_slot_once(site)


def test_on_postgresql_each_slot_is_started_once(postgres_site: Site) -> None:
    tick_on_two_hosts(postgres_site)
    each_slot_once(postgres_site)
