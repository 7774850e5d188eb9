"""The page of one instance, and what differs from its last backup."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from backups.instances.masking import masked_value
from backups.models import BackupExecution, BackupSchedule
from backups.service.schedules.planning import plan
from tests.support.pages.admin_pages import LIST
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, a_client, a_destination, an_execution

BackUp = Callable[..., BackupExecution]
SEE_SCHEDULES = "view_backupschedule"


def url(name: str) -> str:
    return reverse("admin:backups_instance", args=[name])


@pytest.fixture
def tacacs(tacacs_root: Path, settings: Settings) -> Path:
    settings.BACKUP_INSTANCES = None
    return tacacs_root / "config" / "tacacs.conf"


@pytest.mark.django_db
def test_it_shows_state_components_schedules_and_the_latest_backups(tmp_path: Path) -> None:
    plan(BackupSchedule(name="nightly", instance="shop", destination=a_destination(), expression="0 2 * * *"))
    execution = an_execution("shop")
    page = page_at(a_client(VIEW, SEE_SCHEDULES), url("shop"))
    next_run = BackupSchedule.objects.get().next_run
    assert next_run is not None
    state = page.section("state")
    overdue_from = next_run + timedelta(hours=1)
    assert (state.field("level").status, state.field("level").text) == ("at-risk", "At risk")
    assert page.section("reasons").rows() == ["only-on-this-machine", "never-drilled"]
    assert state.field("cadence").text == "at 02:00, every day (UTC)"
    assert state.facts("last_good_backup", "last_drill", "freshness", "next_run", "kind", "root") == {
        "last_good_backup": execution.pk,
        "last_drill": "",
        "freshness": overdue_from.isoformat(),
        "next_run": next_run.isoformat(),
        "kind": "generic",
        "root": f"{tmp_path}/shop",
    }
    assert state.field("queue").text
    assert page.section("components").row("orders").facts("kind", "source") == {
        "kind": "sqlite",
        "source": str(tmp_path / "shop" / "orders.db"),
    }
    assert page.section("schedules").row("nightly").facts("destination", "cadence", "next_run", "last_run") == {
        "destination": "nas",
        "cadence": "cron 0 2 * * *",
        "next_run": next_run.isoformat(),
        "last_run": "",
    }
    row = page.section("backups").row(execution.pk)
    assert row.run().status == "completed"
    assert row.facts("kind", "destination", "compressed_size_bytes") == {
        "kind": "manual",
        "destination": "nas",
        "compressed_size_bytes": "1004096",
    }
    assert "drift" not in page.sections()


@pytest.mark.django_db
def test_schedules_are_shown_to_those_who_may_see_them() -> None:
    page = page_at(a_client(VIEW), url("shop"))
    assert "schedules" not in page.sections()
    assert page.section("backups").rows() == []
    may = a_client(VIEW, "add_backupschedule", SEE_SCHEDULES, name="carol")
    schedules = page_at(may, url("shop")).section("schedules")
    assert (schedules.rows(), schedules.actions()) == ([], {"add-schedule"})


@pytest.mark.django_db
def test_who_may_not_see_backups_is_refused() -> None:
    assert a_client(SEE_SCHEDULES).get(url("shop")).status_code == 403


@pytest.mark.django_db
def test_an_instance_that_never_was_is_not_found_and_one_that_is_gone_keeps_its_history(admin: Client) -> None:
    assert admin.get(url("never")).status_code == 404
    execution = an_execution("gone")
    page = page_at(admin, url("gone"))
    assert "There is no instance 'gone'" in page.notice("instances", "gone").field("message").text
    assert page.section("backups").rows() == [execution.pk]


@pytest.mark.django_db(transaction=True)
def test_the_difference_to_the_last_backup_is_shown_key_by_key_and_masked(
    tacacs: Path, back_up: BackUp, admin: Client
) -> None:
    assert page_at(admin, url("tacacs-hq")).section("drift").status == "unknown"
    execution = back_up()
    drift = page_at(admin, url("tacacs-hq")).section("drift")
    assert (drift.status, drift.links()) == ("same", [f"{LIST}{execution.pk}/change/"])
    old = tacacs.read_text()
    tacacs.write_text(old.replace("backup_count = 5", "backup_count = 7") + "\n[extra]\napi_token = hunter2\n")
    page = page_at(admin, url("tacacs-hq"))
    drift = page.section("drift")
    assert (drift.status, drift.field("changes").value, len(drift.rows())) == ("changed", "2", 2)
    (count,) = (name for name in drift.rows() if name.endswith("] backup_count"))
    assert drift.row(count).facts("now", "backup") == {"now": "7", "backup": "5"}
    token = drift.row("[extra] api_token")
    assert (token.field("now").text, token.field("backup").status) == (masked_value("password", "hunter2"), "unset")
    assert "hunter2" not in page.html
    tacacs.write_text("nonsense")
    page = page_at(admin, url("tacacs-hq"))
    assert "nonsense" not in page.html
    assert page.section("drift").status == "unknown"
    assert "line 1: a key before the first section" in page.section("drift").field("reason").text
