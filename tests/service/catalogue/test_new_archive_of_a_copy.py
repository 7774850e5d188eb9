"""A copy that has another archive now says nothing of the one before: neither its access tier nor its lock."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from backups.models import BackupCopy
from backups.service.archives.records.copied import record_copied
from backups.service.catalogue.adopt import attach_copy, record_moved
from backups.service.copying.start import start_copy
from destinations.models import BackupDestination
from tests.support.rows import a_copy, a_destination, an_execution

pytestmark = pytest.mark.django_db
Record = Callable[[BackupCopy, BackupCopy], object]
PATH = "app/manual/other.tar.gz"


def copied_again(copy: BackupCopy, known: BackupCopy) -> None:
    record_copied(copy, known, PATH)


def moved(copy: BackupCopy, known: BackupCopy) -> None:
    record_moved(copy, PATH)


def attached(copy: BackupCopy, known: BackupCopy) -> None:
    BackupCopy.objects.filter(pk=copy.pk).update(state="deleted", missing_at=None)
    attach_copy(known, copy.destination, PATH)


def started_after_deletion(copy: BackupCopy, known: BackupCopy) -> None:
    BackupCopy.objects.filter(pk=copy.pk).update(state="deleted", missing_at=None)
    start_copy(known.execution, copy.destination, by="tests")


@pytest.mark.parametrize("record", [copied_again, moved, attached, started_after_deletion])
def test_the_new_archive_is_not_taken_for_cooled(destination: BackupDestination, record: Record) -> None:
    backup, now = an_execution(destination=destination), timezone.now()
    copy = a_copy(backup, a_destination("vault"), missing_at=now, cooled_at=now, locked_until=now + timedelta(days=9))
    record(copy, backup.copies.get(destination=destination))
    copy.refresh_from_db()
    assert copy.cooled_at is None
    if record is attached:
        assert copy.locked_until is None
