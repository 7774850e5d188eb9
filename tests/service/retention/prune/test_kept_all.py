"""At a destination that keeps everything no archive is looked at after a backup."""

from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backups.models import BackupCopy
from backups.service.retention.prune import prune
from backups.service.retention.rule_change import keep_rule_as_confirmed
from destinations.models import BackupDestination
from tests.support.archives.stored import DAY, NOW, daily

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("days", "reads", "left"), [(None, False, 3), (1, True, 1)])
def test_the_rows_of_copies_are_read_where_a_rule_may_delete_some(
    days: int | None, reads: bool, left: int, destination: BackupDestination, home: Path
) -> None:
    destination.retention_days = days
    destination.min_keep = 1 if days else None
    keep_rule_as_confirmed(destination)
    destination.save()
    daily(destination, 3)
    with CaptureQueriesContext(connection) as queries:
        pruned = prune(destination, by="retention", instance="app", now=NOW + DAY / 2)
    assert len(pruned.deleted) == 3 - left
    assert any(BackupCopy._meta.db_table in query["sql"] for query in queries) == reads
