"""The button that drills a backup, and what its verdict says."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from backups.models import BackupExecution
from tests.backups.admin.pages import raw, text, url
from tests.backups.admin.test_actions import archive_of, damage
from tests.backups.factories import VIEW, a_client, an_execution

pytestmark = pytest.mark.django_db
Run = Callable[[], BackupExecution]
FAILED: dict[str, Any] = {
    "verdict": "failed", "at": "2026-01-02T03:04:05+00:00", "by": "timer", "seconds": 1.5,
    "error": "<b>orders.db</b> is corrupt", "hint": "back up again",
}  # fmt: skip


@pytest.fixture
def client(db: None) -> Client:
    return a_client(VIEW, "run_backup")


def test_a_drill_measures_how_long_a_recovery_takes(backed_up: Run, client: Client) -> None:
    execution = backed_up()
    page = text(client, url(execution, "drill"), {})
    assert "The drill passed: " in page
    assert "The last drill passed." in page
    assert "the time of recovery; 1,500 rows and every file agree with the manifest." in page
    execution.refresh_from_db()
    assert execution.drill is not None
    assert (execution.drill["verdict"], execution.drill["by"]) == ("passed", "bob")
    assert "drill" not in text(client, "/admin/").partition("Overview")[2].lower()


def test_a_failed_drill_is_loud_here_and_on_the_front_page(backed_up: Run, client: Client, settings: Settings) -> None:
    execution = backed_up()
    an_execution("wiki")
    damage(archive_of(execution, settings))
    page = text(client, url(execution, "drill"), {})
    assert "The drill failed: " in page
    assert "The last drill failed: this backup may not restore." in page
    front = text(client, "/admin/")
    assert "1 of 2 instances needs attention: the last drill of shop failed." in front
    assert "The last drill of shop failed:" in front
    assert "Safe ✕ Drill failed" in front or "Safe Drill failed" in front
    assert url(execution) in raw(client, "/admin/")


def test_a_later_drill_that_passed_quietens_the_front_page(client: Client) -> None:
    an_execution(drill=FAILED)
    assert "&lt;b&gt;orders.db&lt;/b&gt; is corrupt." in raw(client, "/admin/")
    an_execution(drill=FAILED | {"verdict": "passed"})
    assert "drill of shop failed" not in text(client, "/admin/")


def test_the_verdict_is_escaped(client: Client) -> None:
    page = raw(client, url(an_execution(drill=FAILED)))
    assert "&lt;b&gt;orders.db&lt;/b&gt; is corrupt." in page
    assert "<b>orders" not in page
    assert "What to do: back up again." in page
