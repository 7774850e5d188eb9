"""/health: the status code, the details, and how it behaves when something is wrong with the site itself."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backups.endpoints import health as endpoint
from backups.models import BackupExecution, Heartbeat
from tests.support.rows import Status, a_drill, an_execution

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("home", "shop")]


def beats(*, silent: float = 1, worker: float | None = None) -> None:
    """Write the heartbeats of a scheduler and of its worker, by default of the same moment."""
    now = timezone.now()
    for name, kind, seconds in (
        ("worker hq:1", "worker", silent if worker is None else worker),
        ("scheduler of backups", "scheduler", silent),
    ):
        then = now - timedelta(seconds=seconds)
        values = {"kind": kind, "queue": "backups", "host": "hq", "pid": 1, "beat_at": then}
        Heartbeat.objects.update_or_create(name=name, defaults=values | {"started_at": now - timedelta(days=9)})


def asked(token: str = "") -> tuple[int, dict[str, Any]]:
    answer = Client().get("/health", headers={"Authorization": f"Bearer {token}"} if token else {})
    assert "no-store" in answer["Cache-Control"]
    found: dict[str, Any] = answer.json()
    return answer.status_code, found


def test_a_site_in_order_answers_200_and_the_level(token: str) -> None:
    beats()
    backup = an_execution()
    assert asked() == (200, {"status": "ok", "level": "at-risk"})
    code, found = asked(token)
    (shop,) = found["instances"]
    assert (code, found["status"], found["site"]) == (200, "ok", [])
    assert (shop["instance"], shop["level"]) == ("shop", "at-risk")
    assert shop["newest_good"]["backup"] == backup.pk
    reasons = {reason["code"]: reason for reason in shop["reasons"]}
    assert "never-drilled" in reasons
    assert all(reason["text"] and reason["hint"] and not reason["urgent"] for reason in reasons.values())
    a_drill(backup, verdict="passed", seconds=4.5)
    assert asked(token)[1]["instances"][0]["proven_until"] == backup.started_at.isoformat()


def test_an_instance_without_a_backup_makes_it_503(token: str, caplog: pytest.LogCaptureFixture) -> None:
    beats()
    caplog.set_level(logging.WARNING)
    assert asked() == (503, {"status": "failing", "level": "unprotected"})
    code, found = asked(token)
    assert code == 503
    assert next(reason["code"] for reason in found["instances"][0]["reasons"]) == "never-backed-up"
    assert caplog.records == [], "each probe would write it again"


@pytest.mark.parametrize(("silent", "code"), [(50, 200), (70, 503), (90_000, 503)])
def test_a_silent_worker_makes_it_503(silent: float, code: int, token: str) -> None:
    an_execution()
    beats(silent=silent)
    assert asked()[0] == code
    assert [reason["code"] for reason in asked(token)[1]["site"]] == ["worker-silent"] * (code == 503)


@pytest.mark.parametrize("details", [False, True])
def test_a_database_that_does_not_answer_is_503_and_its_reason_is_a_detail(
    details: bool, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OperationalError("server closed the connection: password=canary")

    monkeypatch.setattr(endpoint, "health", fail)
    code, found = asked(token if details else "")
    assert (code, found["status"], found["level"]) == (503, "failing", "unknown")
    assert ("error" in found) is details
    assert "canary" not in str(found)


def test_its_queries_do_not_grow_with_the_history(token: str) -> None:
    beats()
    counts = []
    for _ in range(2):
        for _ in range(5):
            a_drill(an_execution(), verdict="passed")
            an_execution(status=Status.FAILED)
        with CaptureQueriesContext(connection) as queries:
            asked(token)
        counts.append(len(queries))
    assert BackupExecution.objects.count() == 20
    assert counts[0] == counts[1] <= 30
