"""Two hosts tick at the same moment: each slot of each schedule starts one run."""

import subprocess
import sys
from collections import Counter

from tests.support.paths import PROJECT
from tests.support.processes.prepared import Prepared
from tests.support.sites.worker_site import SETUP, Site

SCHEDULES, ROUNDS = 12, 3
DECLARE = """
from django.utils import timezone
from backups.models import BackupSchedule
from destinations.models import BackupDestination
nas, now = BackupDestination.objects.get(), timezone.now().replace(second=0, microsecond=0)
for name in {names!r}:
    BackupSchedule.objects.create(
        name=name, instance=name, destination=nas, type="interval", expression="minutes:1", next_run=now)
"""
# Both hosts have read that the same slots are due before either of them starts one. After each round the backups end
# and become those of another day, so that the same slots are due again.
TICK = """
import time
from datetime import timedelta
from itertools import count
from pathlib import Path
from django.db.models import F
from django.utils import timezone
from backups.models import BackupExecution, BackupSchedule
from backups.service.automation import schedules
from backups.worker.tick import start_scheduled

number, real = count(), schedules.Slots

def meet():
    place, until = f"{{next(number)}} of ", time.monotonic() + 60
    Path({folder!r}, place + {host!r}).touch()
    while not Path({folder!r}, place + {other!r}).exists():
        assert time.monotonic() < until, "the other host has ended"
        time.sleep(0.001)

def slots(now):
    meet()
    return real(now)

schedules.Slots = slots
for days in range(1, {rounds} + 1):
    start_scheduled("backups")
    meet()
    if {host!r} == "east":
        ended = {{"status": "cancelled", "completed_at": timezone.now()}}
        BackupExecution.objects.queued().update(scheduled_for=F("scheduled_for") - timedelta(days=days), **ended)
        BackupSchedule.objects.update(next_run=F("next_run") - timedelta(minutes=2))
    meet()
"""


def tick_on_two_hosts(site: Site) -> None:
    site.python(DECLARE.format(names=site.declare(SCHEDULES)))
    folder = site.home / "meetings"
    folder.mkdir()
    hosts = [
        Prepared(
            [
                sys.executable,
                "-c",
                SETUP + TICK.format(folder=str(folder), rounds=ROUNDS, host=host, other=other),
            ],
            env=site.env | {"BACKUP_WORKSPACE_ROOT": str(site.home / host)},
            cwd=PROJECT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for host, other in (("east", "west"), ("west", "east"))
    ]
    for process in hosts:
        errors = process.communicate(timeout=90)[1].decode()
        assert process.returncode == 0, errors


def each_slot_once(site: Site) -> None:
    slots = Counter(site.rows("SELECT schedule_id, scheduled_for FROM backup_executions"))
    assert (len(slots), set(slots.values())) == (SCHEDULES * ROUNDS, {1})
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
