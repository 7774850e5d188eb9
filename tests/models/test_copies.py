"""Queries about copies find their rows by an index, and constraints keep one copy of each kind."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from backups.models import BackupCopy, BackupExecution
from backups.models.querysets import LACKS_A_COPY
from backups.service.retention.stored import copies_at
from tests.support.rows import a_copy, a_destination, an_execution

pytestmark = pytest.mark.django_db


@pytest.mark.skipif(connection.vendor != "sqlite", reason="plans of SQLite")
def test_the_queries_of_pages_and_ticks_use_their_index() -> None:
    nas = a_destination()
    lacking = BackupExecution.objects.filter(LACKS_A_COPY).order_by("-created_at", "-id")
    assert "execution_lacks_copy" in lacking.explain()
    assert "copy_at_destination" in copies_at(nas).explain()
    due = BackupCopy.objects.filter(next_try_at__isnull=False, next_try_at__lte=timezone.now())
    assert "copy_due" in due.explain()
    assert "SEARCH" in BackupCopy.objects.filter(execution="x").order_by().explain()


def test_a_backup_has_one_copy_at_a_destination_and_an_archive_one_row() -> None:
    backup, other, vault = an_execution("shop"), an_execution("wiki"), a_destination("vault")
    a_copy(backup, vault)
    with pytest.raises(IntegrityError), transaction.atomic():
        a_copy(backup, vault, path="another", sha256="b" * 64)
    with pytest.raises(IntegrityError), transaction.atomic():
        a_copy(other, vault, path=backup.backup_path)
    with pytest.raises(IntegrityError), transaction.atomic():
        a_copy(other, vault, sha256=backup.archive_sha256)
    with pytest.raises(IntegrityError), transaction.atomic():
        a_copy(other, vault, path="")
    a_copy(other, vault, sha256=backup.archive_sha256, path=backup.backup_path, state="deleted")
