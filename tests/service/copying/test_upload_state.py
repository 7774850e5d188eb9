"""The state of an upload that can be resumed: told by the thread that sends, saved by the thread of the run."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest
from django.db import OperationalError, connection
from pytest_django import DjangoAssertNumQueries

from backups.models import BackupCopy, BackupExecution
from backups.service.backup.run import backup_now
from backups.service.copying.run import copy_now
from backups.service.copying.upload_state import SavedState
from destinations.backends import TYPES
from destinations.exceptions import ConnectionLost
from destinations.models import BackupDestination
from tests.support.memory_remote import SERVERS, MemoryRemote
from tests.support.rows import a_copy, an_execution

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def copy(destination: BackupDestination) -> BackupCopy:
    backup = an_execution("shop", destination=destination, status="failed")
    return a_copy(backup, state="uploading", path="", planned_path="a.tar.gz")


def saved(copy: BackupCopy) -> object:
    return BackupCopy.objects.values_list("upload_state", flat=True).get(pk=copy.pk)


def test_the_thread_that_sends_does_not_touch_the_database_and_the_newest_state_is_saved_once_a_second(
    copy: BackupCopy, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    kept = SavedState(copy, {})
    sender = threading.Thread(target=lambda: [kept.state.save({"part": number}) for number in range(100)])
    with django_assert_num_queries(0):
        sender.start()
        sender.join()
    with django_assert_num_queries(1):
        kept.save()
        kept.save()
        kept.state.save({"part": 100})
        kept.save()
    assert saved(copy) == {"part": 99}
    kept.save(at_once=True)
    assert saved(copy) == {"part": 100}


def test_a_state_is_saved_as_it_was_told(copy: BackupCopy) -> None:
    kept = SavedState(copy, {})
    kept.state.data["parts"] = [1]
    kept.state.save(kept.state.data)
    kept.state.data["parts"] = [1, 2]
    kept.save()
    assert saved(copy) == {"parts": [1]}
    kept.state.save({})
    kept.save(at_once=True)
    assert saved(copy) is None


def test_a_database_that_is_locked_fails_no_upload_and_the_state_is_saved_later(
    copy: BackupCopy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def locked(*_: object, **__: object) -> None:
        raise OperationalError("database is locked")

    kept = SavedState(copy, {})
    kept.state.save({"part": 1})
    with monkeypatch.context() as patch:
        patch.setattr(type(BackupCopy.objects.all()), "update", locked)
        kept.save()
    assert (saved(copy), "copy.state-not-saved" in caplog.text) == (None, True)
    kept.save(at_once=True)
    assert saved(copy) == {"part": 1}


@pytest.fixture
def remote(home: Path, small_shop: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BackupDestination]:
    monkeypatch.setitem(TYPES, "memory", MemoryRemote)
    remote = BackupDestination(name="remote", type="memory", encryption="allowed")
    remote.configure({"server": "resumed"})
    remote.save()
    yield remote
    SERVERS.pop("resumed", None)


def test_the_state_is_in_the_row_while_an_upload_is_under_way_and_the_next_attempt_goes_on_from_it(
    destination: BackupDestination, remote: BackupDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = backup_now("shop", destination, by="tests")
    under_way: list[object] = []

    def cut(step: str) -> None:
        if step == "block" or under_way:
            # what a process that is killed now leaves in the row
            if not under_way:
                under_way.append(wait_for(lambda: saved(BackupCopy.objects.get(destination=remote))))
                connection.close()
            raise ConnectionLost("The connection was cut.")

    with monkeypatch.context() as patch:
        patch.setattr(MemoryRemote, "before", staticmethod(cut))
        with pytest.raises(ConnectionLost):
            copy_now(backup, remote, by="alice")
    assert under_way == [{"begun": True}]
    row = BackupCopy.objects.get(destination=remote)
    assert (row.state, row.upload_state) == ("failed", {"begun": True})
    (part,) = SERVERS["resumed"]
    assert copy_now(BackupExecution.objects.get(), remote, by="alice").status == "completed"
    row.refresh_from_db()
    assert (row.state, row.upload_state, part in SERVERS["resumed"]) == ("stored", None, False)


def wait_for(look: Callable[[], object]) -> object:
    until = monotonic() + 10
    while not (found := look()) and monotonic() < until:
        sleep(0.02)
    return found
