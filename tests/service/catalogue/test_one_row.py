"""One archive at one destination is one backup: whatever kills an import, and however often the archive is found."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from backups.errors import BackupError, Interrupted
from backups.models import BackupExecution, TreeList
from backups.runs.finish import cancel
from backups.runs.recovery import reap_waiting
from backups.runs.recovery.reap import reap
from backups.service.archives.records.imported import NOTE
from backups.service.catalogue import import_file
from backups.service.catalogue.import_file import import_archive
from backups.service.catalogue.sync import import_backups
from backups.service.drill.run import verify_backup
from destinations.backends.local import LocalDestination
from destinations.exceptions import DestinationUnavailable
from destinations.models import BackupDestination
from tests.support.archives.stored import an_archive, file_of, folder_of, put
from tests.support.drops import empty
from tests.support.pages.admin_pages import LIST
from tests.support.pages.parsed import page_at
from tests.support.processes.project_programs import PATIENCE_SECONDS, start
from tests.support.rows import VIEW, a_client
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
def usb(tmp_path: Path) -> Path:
    path = tmp_path / "usb.tar.gz"
    path.write_bytes(an_archive())
    return path


@pytest.fixture
def killed(home: Path, usb: Path, destination: BackupDestination) -> Callable[[str], BackupExecution]:
    """Return a function that imports the archive in a process which is killed at the beginning of a step."""

    def run(step: str) -> BackupExecution:
        process = start(home, "-c", KILLED, str(usb), step)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == -signal.SIGKILL, out + err
        return BackupExecution.objects.get()

    return run


def take(path: Path, destination: BackupDestination) -> BackupExecution:
    return import_archive(path, destination, by="tests")


def recorded() -> list[tuple[str, bool]]:
    """Return the status of every row, and whether its archive counts as a good backup."""
    good = set(BackupExecution.objects.good().values_list("pk", flat=True))
    rows = BackupExecution.objects.order_by("created_at", "pk")
    return [(row.status, row.pk in good) for row in rows]


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


def test_two_imports_at_once_make_one_backup(
    usb: Path, destination: BackupDestination, archives: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = import_file.complete_import
    refused = []

    def meanwhile(*arguments: Any) -> None:
        monkeypatch.setattr(import_file, "complete_import", real)
        with pytest.raises(BackupError, match="is being imported to nas already") as error:
            take(usb, destination)
        refused.append(error.value)
        real(*arguments)

    monkeypatch.setattr(import_file, "complete_import", meanwhile)
    done = take(usb, destination)
    assert (len(refused), archives(), recorded()) == (1, [f"nas/{done.backup_path}"], [("completed", True)])


def test_the_list_shows_an_import_while_it_runs_and_one_that_is_cancelled_leaves_no_archive(
    usb: Path, destination: BackupDestination, archives: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, details = import_file.complete_import, []

    def meanwhile(backup: BackupExecution, *arguments: Any) -> None:
        page = page_at(a_client(VIEW), LIST)
        details.append(page.run(backup.pk).field("detail").text)
        cancel(BackupExecution.objects.get(pk=backup.pk), by="tests")
        real(backup, *arguments)

    monkeypatch.setattr(import_file, "complete_import", meanwhile)
    with pytest.raises(Interrupted):
        take(usb, destination)
    assert (archives(), recorded()) == ([], [("cancelled", False)])
    assert details[0].startswith("being imported by ")


def test_a_second_copy_at_the_destination_is_named_and_not_counted(
    usb: Path, destination: BackupDestination, archives: Files
) -> None:
    first = take(usb, destination)
    put(destination, "app/manual/copy.tar.gz", usb.read_bytes())
    for _ in range(2):
        done = import_backups(destination, by="tests")
        assert [(path, row.pk) for path, row in done.copies] == [("app/manual/copy.tar.gz", first.pk)]
        assert (done.adopted, done.refused, recorded()) == ([], [], [("completed", True)])
    assert len(archives()) == 2


def test_a_whole_copy_takes_the_place_of_an_archive_that_was_cut(usb: Path, destination: BackupDestination) -> None:
    first = take(usb, destination)
    put(destination, "app/manual/copy.tar.gz", usb.read_bytes())
    file_of(first).write_bytes(usb.read_bytes()[:100])
    done = import_backups(destination, by="tests")
    assert [row.pk for row in done.moved] == [first.pk]
    row = BackupExecution.objects.get()
    assert file_of(row) == folder_of(destination) / "app/manual/copy.tar.gz"
    verify_backup(row, by="tests")


def test_an_import_takes_the_place_of_an_archive_that_was_cut(usb: Path, destination: BackupDestination) -> None:
    first = take(usb, destination)
    cut = file_of(first)
    cut.write_bytes(usb.read_bytes()[:100])
    second = take(usb, destination)
    assert (second.pk, recorded()) == (first.pk, [("completed", True)])
    assert (file_of(second) != cut, cut.stat().st_size) == (True, 100)
    verify_backup(second, by="tests")


def test_the_same_archive_at_two_destinations_is_one_backup_with_two_copies(
    usb: Path, destination: BackupDestination, tmp_path: Path
) -> None:
    first = take(usb, destination)
    other = BackupDestination(name="offsite", type="local")
    other.configure({})
    other.save()
    target = folder_of(other) / first.backup_path
    target.parent.mkdir(mode=0o700, parents=True)
    shutil.copy(file_of(first), target)
    assert [row.pk for row in import_backups(other, by="tests").attached] == [first.pk]
    assert recorded() == [("completed", True)]


def test_the_database_refuses_a_second_row(usb: Path, destination: BackupDestination) -> None:
    row = take(usb, destination)
    row.pk, row.backup_path = "another", "app/manual/another.tar.gz"
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save(force_insert=True)
    row.status = "interrupted"
    row.save(force_insert=True)
