"""What the components of an instance held over time."""

from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backups.models import BackupExecution
from backups.service.drops.find import record_drops_of_adopted
from backups.service.monitoring.series import series_of
from tests.service.drops.test_off_trend import history
from tests.support.drops import HOUR, held

pytestmark = pytest.mark.django_db


def test_the_series_of_an_instance_is_one_query_and_has_each_component_of_the_last_good_backups(home: Path) -> None:
    rows = history(times=4)
    record_drops_of_adopted(rows)
    BackupExecution.objects.filter(pk=rows[1].pk).update(drill={"verdict": "failed"})
    held(HOUR, kind="safety")
    held(HOUR, status="failed")
    with CaptureQueriesContext(connection) as queries:
        points = series_of("shop", last=2)
    assert len(queries) == 1
    assert [(point.backup, point.component, point.rows, point.files, point.bytes) for point in points] == [
        (rows[2].pk, "orders", 1200, None, 8192), (rows[2].pk, "uploads", None, 1, 5),
        (rows[3].pk, "orders", 1200, None, 8192), (rows[3].pk, "uploads", None, 1, 5),
    ]  # fmt: skip
    assert [point.taken_at for point in points][::2] == [rows[2].started_at, rows[3].started_at]
    assert [point.backup for point in series_of("shop")][::2] == [rows[0].pk, rows[2].pk, rows[3].pk]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the plan is read as SQLite writes it")
def test_the_series_is_read_along_an_index() -> None:
    with CaptureQueriesContext(connection) as queries:
        series_of("shop")
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {queries[0]['sql']}")
        plan = " ".join(str(line[3]) for line in cursor.fetchall())
    assert "USING INDEX execution_instance (instance=? AND status=?)" in plan
