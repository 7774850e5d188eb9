"""A copy that is cancelled while its destination does not answer, before the archive is fetched."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from backups.errors import Cancelled
from backups.models import BackupCopy, CopyExecution
from backups.runs.finish import cancel
from backups.service.backup.run import backup_now
from backups.service.copying.run import run_copy
from backups.service.copying.start import start_copy
from destinations.backends import TYPES
from destinations.models import BackupDestination
from tests.support.memory_remote import SERVERS, MemoryRemote

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let the remote destination not answer before the test ends; the event says that it was asked."""
    asked, ended = threading.Event(), threading.Event()

    def wait(step: str) -> None:
        asked.set()
        ended.wait(20)

    monkeypatch.setitem(TYPES, "memory", MemoryRemote)
    monkeypatch.setattr(MemoryRemote, "before", staticmethod(wait))
    yield asked
    ended.set()
    SERVERS.pop("mute", None)


@pytest.mark.parametrize("was_cut", [False, True])
def test_a_cancel_does_not_wait_for_the_destination(
    destination: BackupDestination, small_shop: Path, asked: threading.Event, was_cut: bool
) -> None:
    remote = BackupDestination(name="remote", type="memory", encryption="allowed")
    remote.configure({"server": "mute"})
    remote.save()
    run = start_copy(backup_now("shop", destination, by="tests"), remote, by="tests")
    if was_cut:
        BackupCopy.objects.filter(pk=run.copy_id).update(planned_path="a.tar.gz", upload_state={"begun": True})
    cancelled_at: list[float] = []

    def stop() -> None:
        asked.wait(20)
        cancelled_at.append(time.monotonic())
        cancel(CopyExecution.objects.get(pk=run.pk), by="alice")
        connection.close()

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(Cancelled):
        run_copy(run.pk)
    # two seconds are promised; a busy machine may take its time
    assert time.monotonic() - cancelled_at[0] < 6
    thread.join()
    run.refresh_from_db()
    assert run.status == "cancelled"
