"""The leases of a process that died are released; those of a later process with its pid are not."""

import pytest
from django.utils import timezone

from backups.lib.processes import identity
from backups.models import ArchiveUse
from backups.runs.queue.ownership import this_worker
from backups.service.archives.leases import read_lease, release_leases, used_backups
from backups.service.drill.run import start_drill
from tests.support.rows import an_execution

pytestmark = pytest.mark.django_db
EARLIER = "boot/ns/1/2"


def test_a_process_with_the_pid_of_a_dead_one_keeps_its_lease() -> None:
    mine, other = an_execution(), an_execution()
    run = start_drill(other, by="tests")
    run.worker, run.process = this_worker(), EARLIER
    ArchiveUse.objects.create(execution=other, worker=run.worker, process=EARLIER, since=timezone.now())
    with read_lease(mine):
        release_leases(run)
        assert list(ArchiveUse.objects.values_list("execution", "process")) == [(mine.pk, identity())]
        assert mine.pk in used_backups()
    assert not ArchiveUse.objects.exists()


def test_a_lease_without_a_process_goes_by_its_pid() -> None:
    backup = an_execution()
    run = start_drill(backup, by="tests")
    run.worker, run.process = this_worker(), EARLIER
    ArchiveUse.objects.create(execution=backup, worker=run.worker, since=timezone.now())
    release_leases(run)
    assert not ArchiveUse.objects.exists()
