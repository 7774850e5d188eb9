"""Restores in a worker: they have their own slot, and an interrupted one is rolled back."""

import signal

import pytest

from tests.support.sites.changed_runs import run_in_children
from tests.support.sites.worker_process import Worker
from tests.support.sites.worker_site import Site, eventually

# the first restore waits when its tree has taken the name of the live one
WAITS_WHEN_APPLIED = """
import os, time
from pathlib import Path
from backups.components.files import component
replace = component.replace_tree
def waiting(*given, **options):
    done = replace(*given, **options)
    try:
        (Path(os.environ["BACKUPSITE_HOME"]) / "has-applied").touch(exist_ok=False)
    except FileExistsError:
        return done
    time.sleep(600)
component.replace_tree = waiting
"""


def a_restore(site: Site, run_id: str) -> str:
    """Queue the restore of that backup, confirmed as a person would, and return its id."""
    return site.python(
        "from backups.models import BackupExecution; from backups.service.restore.start import start_restore\n"
        "from backups.service.restore.request import RestoreRequest\n"
        "from backups.worker.tasks import enqueue\n"
        f"backup = BackupExecution.objects.get(pk={run_id!r})\n"
        "digest = backup.archive_sha256\n"
        "asked = RestoreRequest(source=backup, instance=backup.instance, archive_sha256=digest)\n"
        "restore = start_restore(asked, by='tests')\n"
        "enqueue(restore); print(restore.pk)\n"
    ).strip()


def restore_row(site: Site, restore_id: str) -> tuple[str, str]:
    status, stage = site.rows("SELECT status, stage FROM restore_executions WHERE id = ?", restore_id)[0]
    return str(status), str(stage)


def backed_up(site: Site, worker: Worker) -> str:
    run_id = site.queue(["big"])[0]
    eventually(lambda: site.status(run_id) == "completed")
    return run_id


def test_a_restore_does_not_wait_behind_backups(site: Site) -> None:
    site.fill_big(1)
    worker = site.worker(BACKUP_WORKERS="1")
    run_id = backed_up(site, worker)
    film = site.home / "big" / "media" / "film"
    film.unlink()
    lock = site.lock_shop()
    busy = site.queue(["shop-0"])[0]
    site.exporting(busy)

    restore_id = a_restore(site, run_id)

    eventually(lambda: restore_row(site, restore_id)[0] == "completed")
    assert film.stat().st_size == 1 << 20
    assert site.status(busy) == "running"
    lock.close()


@pytest.mark.parametrize("event", ["the worker is terminated", "everything is killed"])
def test_a_restore_that_is_cut_short_leaves_the_state_before_it(site: Site, event: str) -> None:
    site.fill_big(1)
    worker = site.worker(script=run_in_children(WAITS_WHEN_APPLIED), BACKUP_STOP_GRACE="0")
    run_id = backed_up(site, worker)
    film = site.home / "big" / "media" / "film"
    film.write_bytes(b"the state before")
    restore_id = a_restore(site, run_id)
    eventually((site.home / "has-applied").exists)
    assert (restore_row(site, restore_id), film.stat().st_size) == (("running", "applying"), 1 << 20)

    if event == "everything is killed":
        site.kill_everything()
    else:
        worker.tell(signal.SIGTERM)
        assert worker.ended() == 0
    site.worker()

    eventually(lambda: restore_row(site, restore_id)[0] not in ("queued", "running"))
    assert restore_row(site, restore_id)[0] == "interrupted"
    assert film.read_bytes() == b"the state before"
    eventually(lambda: site.workspaces() == [], within=5)
