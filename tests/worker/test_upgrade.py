"""Rows and messages of a release whose tasks had other names."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from django_q.models import Schedule

from backups.worker.tick import ensure_tick, keep_tick
from tests.support.sites.worker_site import Site, eventually

OLD_TICK = "backups.housekeeping.tick"
OLD_BACKUP = "backups.tasks.backup"
# as that release sent it
OLD_MESSAGE = """
from django_q.tasks import async_task
async_task({task!r}, {run_id!r}, cluster="backups", group="backups", task_name="backup", ack_failure=True)
"""


@pytest.mark.django_db
@pytest.mark.parametrize("task", [OLD_TICK, "backups.schedules.tick"])
def test_the_scheduler_row_of_an_old_release_is_repaired_and_due_at_once(home: Path, task: str) -> None:
    Schedule.objects.all().delete()
    old = Schedule.objects.create(
        name="backupsite tick backups", func=task, args="('backups',)", cluster="backups", cron="* * * * *",
        schedule_type=Schedule.CRON, repeats=-1, next_run=timezone.now() + timedelta(seconds=50),
    )  # fmt: skip

    assert keep_tick("backups") is True

    row = Schedule.objects.get()
    assert (row.pk, row.func) == (old.pk, "backups.worker.tick.tick")
    assert row.next_run is not None and row.next_run <= timezone.now()


@pytest.mark.django_db
def test_migrating_one_app_alone_does_not_need_the_table_of_the_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    Schedule.objects.all().delete()
    with monkeypatch.context() as before:
        before.setattr(Schedule._meta, "db_table", "not_migrated_yet")
        ensure_tick(using="default")
    assert not Schedule.objects.exists()
    ensure_tick(using="default")
    assert Schedule.objects.count() == 1


def queue_by_old_release(site: Site) -> str:
    """Queue a backup with the message that an old release sends for it."""
    run_id = site.python(
        "from backups.service.backup.start import start_backup; from destinations.models import BackupDestination\n"
        "from backups.models import BackupExecution; from django.utils import timezone\n"
        "run = start_backup('shop-0', BackupDestination.objects.get(), by='tests')\n"
        "BackupExecution.objects.filter(pk=run.pk).update(rang_at=timezone.now()); print(run.pk)"
    ).strip()
    site.python(OLD_MESSAGE.format(task=OLD_BACKUP, run_id=run_id))
    return run_id


def a_minute_passes(site: Site) -> None:
    site.python(
        "from backups.models import BackupExecution as Backup; from django.db.models import F\n"
        "from datetime import timedelta; Backup.objects.update(rang_at=F('rang_at') - timedelta(minutes=1))"
    )


def failed_tasks(site: Site) -> list[str]:
    return [func for (func,) in site.rows("SELECT func FROM django_q_task WHERE NOT success")]


def test_a_worker_that_starts_on_the_rows_of_an_old_release_runs_what_waits_and_ticks(site: Site) -> None:
    site.declare(1)
    run_id = queue_by_old_release(site)
    site.execute("UPDATE django_q_schedule SET func = ?", OLD_TICK)

    site.worker()

    eventually(lambda: site.status(run_id) == "completed")
    assert site.rows("SELECT func FROM django_q_schedule") == [("backups.worker.tick.tick",)]
    eventually(lambda: failed_tasks(site) == [OLD_BACKUP] and not site.rows("SELECT 1 FROM django_q_ormq"))
    site.leaves_nothing()


def test_an_old_message_that_a_running_worker_cannot_execute_loses_no_run(site: Site) -> None:
    site.declare(1)
    site.worker()
    eventually(lambda: site.rows("SELECT 1 FROM backup_heartbeats WHERE kind = 'scheduler'"))

    run_id = queue_by_old_release(site)
    eventually(lambda: OLD_BACKUP in failed_tasks(site))
    assert site.status(run_id) == "queued"
    a_minute_passes(site)
    site.manage("tick")

    eventually(lambda: site.status(run_id) == "completed")
    assert site.log().count(f"backup.claimed backup={run_id}") == 1
    site.leaves_nothing()


def test_migrate_makes_the_scheduler_row_before_any_worker_ran(site: Site) -> None:
    shown = site.python(
        "from django_q.models import Schedule; print(list(Schedule.objects.values_list('func', flat=True)))"
    )

    assert shown.strip() == "['backups.worker.tick.tick']"
