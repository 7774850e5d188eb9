"""One archive at one destination is one backup, whatever kills its import."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from backups.errors import BackupError
from backups.models import BackupExecution, TreeList
from backups.runs.recovery import reap_waiting
from backups.runs.recovery.reap import reap
from backups.service.archives.records.imported import NOTE
from backups.service.catalogue import import_file
from backups.service.catalogue.sync import import_backups
from backups.service.drill.run import verify_backup
from destinations.backends.local import LocalDestination
from destinations.exceptions import DestinationUnavailable
from destinations.models import BackupDestination
from tests.support.archives.imported_files import recorded, take
from tests.support.archives.stored import file_of
from tests.support.drops import empty
from tests.support.processes.project_programs import PATIENCE_SECONDS, start
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db(transaction=True)
Files = Callable[[], list[str]]
# argument: the archive, and the function that is never reached
KILLED = """
import os, signal, sys
from pathlib import Path
os.environ["DJANGO_SETTINGS_MODULE"] = "backupsite.settings"
import django
django.setup()
from backups.service.catalogue import import_file
from destinations.models import BackupDestination
setattr(import_file, sys.argv[2], lambda *_: os.kill(os.getpid(), signal.SIGKILL))
import_file.import_archive(Path(sys.argv[1]), BackupDestination.objects.get(), by="tests")
"""


class Died(Exception):  # noqa: N818 - no error of the project
    """The process is gone."""


@pytest.fixture
def killed(home: Path, usb: Path, destination: BackupDestination) -> Callable[[str], BackupExecution]:
    """Return a function that imports the archive in a process which is killed at the beginning of a step."""

    def run(step: str) -> BackupExecution:
        process = start(home, "-c", KILLED, str(usb), step)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == -signal.SIGKILL, out + err
        return BackupExecution.objects.get()

    return run


@pytest.mark.parametrize("ended_by", ["tick", "importbackups", "importarchive"])
def test_an_import_killed_after_the_upload_is_completed_and_counts_once(
    killed: Callable[[str], BackupExecution],
    usb: Path,
    destination: BackupDestination,
    archives: Files,
    workspaces: Files,
    ended_by: str,
) -> None:
    row = killed("complete_import")
    assert (row.status, row.owner, row.backup_path) == ("queued", "process", "")
    assert archives() == [f"nas/{row.planned_path}"]
    if ended_by == "tick":
        reap()
    elif ended_by == "importbackups":
        assert import_backups(destination, by="tests").adopted == []
    else:
        with pytest.raises(BackupError, match=f"is stored already: backup {row.pk} at nas"):
            take(usb, destination)
    done = BackupExecution.objects.get()
    assert recorded() == [("completed", True)]
    assert (done.backup_path, done.planned_path, done.adopted) == (row.planned_path, "", True)
    assert NOTE in done.warnings
    assert (archives(), workspaces()) == ([f"nas/{done.backup_path}"], [])
    assert verify_backup(done, by="tests").manifest.instance_name == "app"


def test_an_import_that_is_completed_after_its_process_died_records_what_any_import_does(
    small_shop: Path, tmp_path: Path, destination: BackupDestination, back_up: BackUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = back_up("shop")
    empty(small_shop)
    made = back_up("shop")
    copy = shutil.copy(file_of(made), tmp_path / made.backup_filename)
    file_of(made).unlink()
    made.delete()

    def die(*_: object) -> None:
        raise Died

    with monkeypatch.context() as patched:
        patched.setattr(import_file, "complete_import", die)
        patched.setattr(import_file, "_undo", die)
        with pytest.raises(Died):
            take(copy, destination)
    BackupDestination.objects.update(established=False)
    monkeypatch.setattr(reap_waiting, "is_dead", lambda *_: True)
    reap()

    done = BackupExecution.objects.exclude(pk=full.pk).get()
    assert (done.status, done.open_drop) == ("completed", True)
    assert BackupDestination.objects.get().established
    assert TreeList.objects.filter(execution=done).exists()


@pytest.mark.parametrize("step", ["plan_import", "_put"])
def test_an_import_killed_before_that_leaves_nothing_and_is_done_again(
    killed: Callable[[str], BackupExecution],
    usb: Path,
    destination: BackupDestination,
    archives: Files,
    workspaces: Files,
    step: str,
) -> None:
    assert killed(step).status == "queued"
    done = take(usb, destination)
    assert sorted(recorded()) == [("completed", True), ("interrupted", False)]
    assert (archives(), workspaces()) == ([f"nas/{done.backup_path}"], [])


def test_a_destination_that_does_not_answer_leaves_the_archive_to_the_next_sync(
    killed: Callable[[str], BackupExecution], destination: BackupDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed("complete_import")

    def fail(*_: object, **__: object) -> None:
        raise DestinationUnavailable("nas does not answer.")

    with monkeypatch.context() as patched:
        patched.setattr(LocalDestination, "get", fail)
        reap()
    row = BackupExecution.objects.get()
    assert (row.status, "nas does not answer." in row.error_message) == ("interrupted", True)
    assert len(import_backups(destination, by="tests").adopted) == 1
    assert [good for _, good in recorded()].count(True) == 1
