"""What the front page says of mistakes in files, of workers and of its log."""

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from backups.lib.log_handlers import LogFile
from backups.models import Heartbeat, InstanceState
from backups.runs.recovery import heartbeats
from tests.support.pages.parsed import page_at
from tests.support.protected import a_protected_backup
from tests.support.rows import VIEW, a_client, an_execution

pytestmark = pytest.mark.django_db
INDEX = "/admin/"


def test_mistakes_in_the_instances_file_are_shown(settings: Settings, instances: dict[str, Any]) -> None:
    an_execution("shop")
    an_execution("wiki")
    instances["mail"] = {"kind": "nonsense", "root": "/"}
    page = page_at(a_client(VIEW), INDEX)
    assert page.field("banner").status == "bad"
    assert page.field("banner").text.startswith("1 of 3 ")
    assert page.notice("instances", "mail").facts("message", "hint") == {
        "message": "[mail] kind: The kind is unknown.",
        "hint": "Use one of tacacs, generic.",
    }


def test_a_missing_instances_file_is_shown(settings: Settings, tmp_path: Path) -> None:
    settings.BACKUP_INSTANCES = None
    settings.BACKUP_INSTANCES_FILE = tmp_path / "none.toml"
    page = page_at(a_client(VIEW), INDEX)
    assert page.field("banner").status == "bad"
    assert "instances" not in page.sections()
    notice = page.notice("instances")
    assert f"{tmp_path}/none.toml does not exist" in notice.field("message").text
    assert notice.field("hint").text.startswith("Create it")


def test_what_is_wrong_with_a_configuration_is_shown() -> None:
    InstanceState.objects.create(instance="shop", config_problem="line 183: neither a section nor a key")
    page = page_at(a_client(VIEW), INDEX)
    said = page.notice("configuration", "shop").field("message").text
    assert said == "line 183: neither a section nor a key."
    assert "restart" not in page.notices()


# --- who does the work --------------------------------------------------------------------------------------------
def test_that_no_worker_answers_is_shown_and_how_to_start_one() -> None:
    client = a_client(VIEW)
    page = page_at(client, INDEX)
    assert page.field("workers").value == "0"
    assert page.notice("worker-silent", "backups").field("hint").text.endswith("manage.py worker.")
    heartbeats.beat("worker x:1", heartbeats.Kind.WORKER, "backups")
    Heartbeat.objects.update(beat_at=timezone.now() - timedelta(minutes=4, seconds=5))
    assert "for 4 min" in page_at(client, INDEX).notice("worker-silent").field("message").text


def test_the_workers_that_answer_are_counted() -> None:
    heartbeats.beat("worker x:1", heartbeats.Kind.WORKER, "backups")
    page = page_at(a_client(VIEW), INDEX)
    assert page.field("workers").value == "1"
    assert "backups on " in page.field("workers").text
    assert "worker-silent" not in page.notices()


@pytest.mark.usefixtures("worker", "scheduled")
def test_a_log_file_that_cannot_be_written_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_protected_backup("shop")
    a_protected_backup("wiki")
    client = a_client(VIEW)
    page = page_at(client, INDEX)
    assert page.field("banner").status == "good"
    assert "log-not-writable" not in page.notices()
    (handler,) = [one for one in logging.getLogger().handlers if isinstance(one, LogFile)]
    monkeypatch.setattr(handler, "path", tmp_path)
    page = page_at(client, INDEX)
    assert page.field("banner").status == "warning"
    notice = page.notice("log-not-writable")
    assert f"{tmp_path} cannot be written: Is a directory." in notice.field("message").text
    assert notice.has_field("hint")
