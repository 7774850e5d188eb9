"""/metrics: what is in them, what they cost, and that rules and dashboards name nothing else."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from backups.endpoints.collector.destinations import destination_metrics
from backups.endpoints.collector.runs import run_metrics
from backups.endpoints.collector.site import site_metrics
from backups.models import BackupCopy
from backups.service.monitoring.health import Health
from backups.service.monitoring.usage import recent_usage, usage_by_destination
from backups.service.monitoring.verdict import Level, Reason
from destinations.models import DestinationTest
from tests.endpoints.test_health import beats
from tests.support.rows import Status, a_copy, a_destination, a_drill, an_execution

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("home", "shop")]
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scraped(token: str) -> Samples:
    answer = Client().get("/metrics", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=")
    found: Samples = {}
    for family in text_string_to_metric_families(answer.content.decode()):
        assert family.documentation.endswith("."), family.name
        for sample in family.samples:
            key = sample.name.removeprefix("backupsite_"), frozenset(sample.labels.items())
            assert key not in found, "Prometheus refuses a series that comes twice"
            found[key] = sample.value
    return found


def value(found: Samples, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def test_the_facts_of_an_instance_are_those_of_its_newest_good_backup(token: str) -> None:
    beats()
    an_execution(age=timedelta(days=2), compressed_size_bytes=7)
    amounts = [{"component": name, "rows": rows, "files": None, "bytes": 1}
               for name, rows in (("orders", 1200), ("users", 34), ("uploads", None))]  # fmt: skip
    good = an_execution(age=timedelta(hours=2), amounts=amounts)
    a_drill(good, verdict="passed", seconds=4.5)
    found = scraped(token)
    shop = {"backup_instance": "shop"}
    began = good.started_at.timestamp()
    assert value(found, "instance_last_success_timestamp_seconds", **shop) == pytest.approx(began, abs=0.01)
    assert value(found, "instance_last_proven_timestamp_seconds", **shop) == pytest.approx(began, abs=0.01)
    assert value(found, "instance_age_seconds", **shop) == pytest.approx(7200, abs=5)
    assert value(found, "instance_freshness_limit_seconds", **shop) == 86_400
    assert value(found, "instance_overdue_timestamp_seconds", **shop) == pytest.approx(began + 86_400, abs=0.01)
    assert value(found, "instance_duration_seconds", **shop) == 3
    assert value(found, "instance_archive_bytes", **shop) == 1_004_096
    assert value(found, "instance_data_bytes", **shop) == 2_008_192
    assert value(found, "instance_records", **shop) == 1234
    assert value(found, "instance_drill_seconds", **shop) == 4.5
    assert value(found, "instance_level", **shop) == 1
    assert value(found, "level") == 1
    assert value(found, "failing") == 0


def test_an_instance_without_a_backup_has_a_level_and_a_reason_and_no_invented_numbers(token: str) -> None:
    found = scraped(token)
    assert value(found, "instance_level", backup_instance="shop") == 2
    labels = {
        "backup_instance": "shop",
        "code": "never-backed-up",
        "subject": "",
        "level": "unprotected",
        "accepted": "no",
    }
    assert value(found, "instance_reason", **labels) == 1
    assert ("instance_age_seconds", frozenset({("backup_instance", "shop")})) not in found
    assert value(found, "site_reason", code="worker-silent", subject="backups", level="at-risk") == 1


def test_two_reasons_that_differ_in_their_text_only_are_one_series() -> None:
    reasons = [Reason("instances-file-broken", Level.UNPROTECTED, text, "Correct it.") for text in ("One.", "Two.")]
    *_, found = site_metrics(Health(timezone.now(), [], reasons))
    assert len(found.samples) == 1


def test_runs_are_counted_over_a_day_and_queues_as_they_are_now(token: str) -> None:
    beats(silent=30)
    an_execution(age=timedelta(hours=25), status=Status.FAILED, kind="scheduled")
    for _ in range(2):
        an_execution(age=timedelta(hours=23), status=Status.FAILED, kind="scheduled")
    backup = an_execution()
    an_execution(status=Status.RUNNING)
    an_execution(status=Status.QUEUED, age=timedelta(minutes=10))
    an_execution(status=Status.QUEUED, kind="scheduled", owner="process")
    a_drill(backup)
    found = scraped(token)
    assert value(found, "runs_last_day", run="backup", kind="scheduled", status="failed") == 2
    assert value(found, "runs_last_day", run="backup", kind="manual", status="completed") == 1
    assert value(found, "runs_last_day", run="restore", kind="", status="failed") == 0
    assert value(found, "queue_depth", queue="backups", run="backup") == 1
    assert value(found, "queue_depth", queue="backups", run="drill") == 1
    assert value(found, "queue_oldest_seconds", queue="backups") == pytest.approx(600, abs=5)
    assert value(found, "running", queue="backups", run="backup") == 1
    assert value(found, "heartbeat_age_seconds", queue="backups", kind="worker") == pytest.approx(30, abs=5)
    assert value(found, "heartbeat_age_seconds", queue="backups", kind="scheduler") == pytest.approx(30, abs=5)
    assert value(found, "workers_alive", queue="backups") == 1


def test_a_destination_has_its_space_its_copies_by_condition_and_its_locks(token: str) -> None:
    now, nas, cloud = timezone.now(), a_destination(), a_destination("cloud")
    backup = an_execution(destination=nas)
    a_copy(backup, cloud, size_bytes=10, locked_until=now + timedelta(days=12))
    a_copy(an_execution(destination=nas), cloud, size_bytes=5, missing_at=now, locked_until=now + timedelta(days=50))
    a_copy(an_execution(destination=nas), cloud, size_bytes=7, damaged_at=now)
    a_copy(an_execution(destination=nas), cloud, state="failed", path="", sha256="")
    a_copy(an_execution(destination=nas), cloud, state="deleted")
    a_destination("empty").record_free_space(99)
    DestinationTest.objects.create(destination=cloud, error="The host does not answer.")
    DestinationTest.objects.create(destination=nas)
    found = scraped(token)
    copies = {state: value(found, "destination_copies", destination="cloud", state=state)
              for state in ("waiting", "uploading", "stored", "failed", "missing", "damaged")}  # fmt: skip
    assert copies == {"waiting": 0, "uploading": 0, "stored": 1, "failed": 1, "missing": 1, "damaged": 1}
    assert value(found, "destination_used_bytes", destination="cloud") == 17
    assert value(found, "destination_used_bytes", destination="empty") == 0
    assert value(found, "destination_free_bytes", destination="empty") == 99
    assert ("destination_free_bytes", frozenset({("destination", "nas")})) not in found
    assert value(found, "destination_lock_days_left", destination="cloud") == pytest.approx(12, abs=0.01)
    assert value(found, "destination_lock_days_left", destination="nas") == 0
    assert value(found, "destination_test_passed", destination="cloud") == 0
    assert value(found, "destination_test_passed", destination="nas") == 1


def test_the_queries_of_a_scrape_do_not_grow_with_the_history(token: str) -> None:
    beats()
    counts = []
    for number in range(2):
        for _ in range(5):
            a_drill(an_execution(destination=a_destination(f"nas-{number}")), verdict="passed")
        recent_usage(timezone.now() + timedelta(hours=number + 1))
        with CaptureQueriesContext(connection) as queries:
            scraped(token)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 46


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the plans are read as SQLite writes them")
def test_runs_and_destinations_are_counted_without_reading_the_history() -> None:
    a_drill(an_execution(), verdict="passed")
    now = timezone.now()
    with CaptureQueriesContext(connection) as queries:
        list(run_metrics(now))
        list(destination_metrics(now))
        usage_by_destination()
    plans: dict[str, list[str]] = {}
    with connection.cursor() as cursor:
        for query in queries:
            cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
            plans[query["sql"]] = [str(line[3]) for line in cursor.fetchall()]
    # restores are made by persons: there are few
    history = ("backup_exec", "drill_exec", "copy_exec", "backup_copies")
    scans = [
        (line, sql) for sql, plan in plans.items() for line in plan
        if line.startswith("SCAN") and any(name in line for name in history)
        and "USING COVERING INDEX copy_usage" not in line
    ]  # fmt: skip
    assert scans == []
    assert any("copy_usage" in line for plan in plans.values() for line in plan)


def test_the_usage_is_read_anew_after_five_minutes_and_when_the_clock_was_set_back() -> None:
    now, nas = timezone.now(), a_destination()
    an_execution(destination=nas)
    assert recent_usage(now)[nas.pk].copies["stored"] == 1
    BackupCopy.objects.all().update(state="deleted")
    assert recent_usage(now + timedelta(minutes=4))[nas.pk].copies["stored"] == 1
    assert recent_usage(now + timedelta(minutes=5)) == {}
    an_execution(destination=nas)
    assert recent_usage(now - timedelta(seconds=1))[nas.pk].copies["stored"] == 1
