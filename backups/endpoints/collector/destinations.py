"""Metrics of each destination, as the rows know it: it is not asked."""

from collections.abc import Iterator
from datetime import datetime

from django.db.models import OuterRef, Subquery
from prometheus_client import Metric

from backups.endpoints.collector.gauges import gauge
from backups.models import KeyCheck
from backups.service.monitoring.usage import CONDITIONS, recent_usage
from destinations.models import BackupDestination, DestinationTest

DAY = 86_400


def destination_metrics(now: datetime) -> Iterator[Metric]:
    rows = list(BackupDestination.objects.all())
    usage = recent_usage(now)
    used = [(row.name, usage[row.pk]) for row in rows if row.pk in usage]
    yield gauge(
        "destination_enabled", "1 where backups are stored.", ["destination"],
        [([row.name], row.enabled) for row in rows],
    )  # fmt: skip
    yield gauge(
        "destination_free_bytes",
        "What was free there when a backup or a test looked last.",
        ["destination"],
        [([row.name], row.free_bytes) for row in rows],
    )
    yield gauge(
        "destination_free_timestamp_seconds",
        "When a backup or a test looked last what is free.",
        ["destination"],
        [([row.name], row.free_bytes_at.timestamp() if row.free_bytes_at else None) for row in rows],
    )
    yield gauge(
        "destination_used_bytes", "Size of the archives that are stored there.", ["destination"],
        [([row.name], usage[row.pk].size_bytes if row.pk in usage else 0) for row in rows],
    )  # fmt: skip
    yield gauge(
        "destination_copies", "Copies of backups there, without those that were deleted.", ["destination", "state"],
        [([name, state], each.copies[state]) for name, each in used for state in CONDITIONS],
    )  # fmt: skip
    yield gauge(
        "destination_lock_days_left", "Days until the last lock of an archive ends; 0 where none is locked.",
        ["destination"],
        [
            ([name], max((each.locked_until - now).total_seconds() / DAY, 0) if each.locked_until else 0)
            for name, each in used
        ],
    )  # fmt: skip
    newest = DestinationTest.objects.filter(destination=OuterRef("pk")).values("pk")[:1]
    ids = BackupDestination.objects.values(test=Subquery(newest))
    tests = {test.destination_id: test for test in DestinationTest.objects.filter(pk__in=ids)}
    tested = [(row.name, tests[row.pk]) for row in rows if row.pk in tests]
    yield gauge(
        "destination_test_passed", "1 when the last test of the connection passed.", ["destination"],
        [([name], test.passed) for name, test in tested],
    )  # fmt: skip
    yield gauge(
        "destination_test_timestamp_seconds", "When the connection was tested last.", ["destination"],
        [([name], test.tested_at.timestamp()) for name, test in tested],
    )  # fmt: skip
    lost = dict(KeyCheck.objects.values_list("destination", "problem"))
    yield gauge(
        "destination_keys_lost", "1 while no key at hand opens an archive there.", ["destination"],
        [([row.name], bool(lost[row.pk])) for row in rows if row.pk in lost],
    )  # fmt: skip
