"""A destination that dies in the middle of what it is needed for: another copy is taken, or nothing has changed."""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from backups.models import BackupExecution
from backups.service.archives.records.delete import delete_from
from backups.service.backup.run import backup_now
from backups.service.drill.run import drill, verify_backup
from backups.service.keys.check import check_all
from destinations.backends import TYPES
from destinations.exceptions import ConnectionLost
from destinations.models import BackupDestination
from tests.support.memory_remote import SERVERS, MemoryRemote
from tests.support.pages.admin_pages import url
from tests.support.restores.instance_restores import restore, tree
from tests.support.rows import VIEW, a_client, a_destination

pytestmark = pytest.mark.django_db(transaction=True)

Dies = Callable[..., None]


class Dying(MemoryRemote):
    """Loses its connection for good at each of `steps`; "first block": at all "receive" but the first one."""

    type = "dying"
    retry_delays = ()
    steps: ClassVar[list[str]] = []

    @staticmethod
    def before(step: str) -> None:
        if step in Dying.steps:
            raise ConnectionLost("Cannot read at dying: the connection was cut.", "Try again.")
        if step == "receive" and "first block" in Dying.steps:
            Dying.steps.append("receive")


@pytest.fixture
def dies(monkeypatch: pytest.MonkeyPatch) -> Dies:
    """Return a function that lets the first destination die at some steps from now on."""
    for kind in (MemoryRemote, Dying):
        monkeypatch.setitem(TYPES, kind.type, kind)
    for name in ("first", "second"):
        monkeypatch.setitem(SERVERS, name, {})
    monkeypatch.setattr(Dying, "steps", [])
    # an archive has several blocks
    monkeypatch.setattr("tests.support.memory_remote.BLOCK_SIZE", 1000)
    return lambda *steps: monkeypatch.setattr(Dying, "steps", list(steps))


def at(name: str, kind: str, position: int) -> BackupDestination:
    row = BackupDestination(name=name, type=kind, position=position, encryption="allowed")
    row.configure({"server": name, "path": "x"})
    row.save()
    return row


@pytest.fixture
def pair(dies: Dies, small_shop: Path) -> BackupExecution:
    return backup_now("shop", [at("first", "dying", 1), at("second", "memory", 2)], by="tests")


@pytest.fixture
def alone(dies: Dies, small_shop: Path) -> BackupExecution:
    return backup_now("shop", at("first", "dying", 1), by="tests")


def conditions(backup: BackupExecution) -> dict[str, str]:
    return {copy.destination.name: copy.condition for copy in backup.copies.select_related("destination")}


def test_a_restore_goes_on_with_another_copy(pair: BackupExecution, dies: Dies, small_shop: Path) -> None:
    (small_shop / "uploads" / "photo").write_bytes(b"spoilt")
    # for the backup that is made before
    a_destination("here")
    dies("first block")
    restored = restore(pair)
    assert (small_shop / "uploads" / "photo").read_bytes() == b"photo"
    assert any(text.startswith("The copy at first was not used: ") for text in restored.warnings)
    # a connection that was cut says nothing about the archive
    assert conditions(pair) == {"first": "stored", "second": "stored"}


def test_a_restore_without_another_copy_changes_nothing(alone: BackupExecution, dies: Dies, small_shop: Path) -> None:
    (small_shop / "uploads" / "photo").write_bytes(b"newer")
    before = tree(small_shop)
    dies("first block")
    with pytest.raises(ConnectionLost):
        restore(alone)
    assert tree(small_shop) == before
    assert conditions(alone) == {"first": "stored"}


def test_a_drill_and_a_verification_take_another_copy(pair: BackupExecution, dies: Dies) -> None:
    dies("first block")
    run = drill(pair, by="tests")
    assert run.verdict == "passed"
    assert any(text.startswith("The copy at first was not used: ") for text in run.warnings)
    dies("first block")
    verify_backup(pair, by="tests")
    assert conditions(pair) == {"first": "stored", "second": "stored"}


def test_a_drill_that_could_not_read_says_nothing_about_the_backup(alone: BackupExecution, dies: Dies) -> None:
    dies("first block")
    run = drill(alone, by="tests")
    assert (run.status, run.verdict) == ("failed", "")
    dies("first block")
    with pytest.raises(ConnectionLost):
        verify_backup(alone, by="tests")
    assert alone.copies.get().condition == "stored"
    assert BackupExecution.objects.good().filter(pk=alone.pk).exists()
    dies()
    assert drill(alone, by="tests").verdict == "passed"


def test_a_download_is_whole_or_none(pair: BackupExecution, dies: Dies) -> None:
    client = a_client(VIEW, "download_backup")
    dies("first block")
    response = client.post(url(pair, "download"))
    assert b"".join(response) == SERVERS["second"][f"x/{pair.backup_path}"]
    response.close()
    SERVERS["second"].clear()
    dies("first block")
    response = client.post(url(pair, "download"), follow=True)
    assert "Content-Disposition" not in response
    assert b"connection was cut" in response.content


def test_a_deletion_is_recorded_when_the_file_is_gone(alone: BackupExecution, dies: Dies) -> None:
    copy = alone.copies.select_related("destination", "execution").get()
    for steps, is_there in ((["delete"], True), (["deleted"], False)):
        dies(*steps)
        with copy.destination.open() as opened, pytest.raises(ConnectionLost):
            delete_from(opened, copy, by="tests", reason="tests")
        copy.refresh_from_db()
        assert (copy.state, f"x/{copy.path}" in SERVERS["first"]) == ("stored", is_there)
    dies()
    SERVERS["first"]["x/keep.tar"] = b"x"
    # the answer was lost, and the archive is gone
    with copy.destination.open() as opened:
        delete_from(opened, copy, by="tests", reason="tests")
    copy.refresh_from_db()
    assert copy.state == "deleted"


def test_a_check_of_keys_that_could_not_read_loses_no_key(alone: BackupExecution, dies: Dies) -> None:
    alone.copies.update(encryption="passphrase")
    dies("receive")
    report = check_all(BackupDestination.objects.all())
    assert report.lost == []
    assert [result.verdict.name for result in report.results] != ["FITS"]
