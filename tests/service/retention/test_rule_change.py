"""A rule that would delete more than the one before deletes nothing more until a person has confirmed it."""

import logging
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from backups.checks.retention import check_rules
from backups.models import BackupExecution
from backups.service.automation.sync import sync
from backups.service.retention.plan import plan_prune
from backups.service.retention.prune import prune
from backups.service.retention.rule_change import confirm_rule, settle_rule
from destinations.models import BackupDestination
from tests.support.archives.stored import DAY, daily, there
from tests.support.call_commands import command, refused
from tests.support.rows import an_execution, recopied
from tests.support.site_fixtures import BackUp, Declare

pytestmark = pytest.mark.django_db
DECLARED = """
[app]
kind = "generic"
root = "{root}"
components.note = {{kind = "files", path = "note"}}
[app.backup.destinations.vault]
type = "local"
path = "{path}"
retention_days = {days}
"""


def some(destination: BackupDestination, days: int = 10) -> list[BackupExecution]:
    return daily(destination, days, newest=timezone.now() - DAY / 24)


@pytest.fixture
def declared(home: Path, declare: Declare) -> BackupDestination:
    """A destination that a service declares, which keeps thirty days."""
    redeclare(declare, home, days=30)
    return BackupDestination.objects.get(name="app-vault")


def redeclare(declare: Declare, home: Path, *, days: int, path: str = "vault") -> list[str]:
    (home / "note").write_text("hello")
    declare(DECLARED.format(root=home, days=days, path=path))
    synced = sync("app")
    return [*synced.pending, *synced.problems]


def test_a_stricter_rule_in_the_configuration_of_a_service_waits_for_a_person(
    declared: BackupDestination, declare: Declare, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "backups")
    rows = some(declared)
    assert len(redeclare(declare, home, days=7)) == 1
    declared.refresh_from_db()
    assert (declared.retention_days, declared.rule_pending_since is not None) == (7, True)
    assert "retention.rule-pending destination=app-vault" in caplog.text
    assert [message.id for message in check_rules(None, ["default"])] == ["backups.W071"]

    pruned = prune(declared, by="tests")
    assert (pruned.deleted, there(rows)) == ([], list(range(10)))
    assert [entry.execution for entry in pruned.plan.waiting] == rows[7:]
    assert "the rule simple: 7 days is not confirmed" in pruned.plan.entries[9].reason

    confirm_rule(declared, by="alice")
    assert "retention.rule-confirmed destination=app-vault by=alice" in caplog.text
    assert check_rules(None, ["default"]) == []
    assert [entry.execution for entry in prune(declared, by="tests").deleted] == rows[:6:-1]
    assert there(rows) == list(range(7))


def test_a_wider_rule_holds_at_once_and_so_does_one_that_deletes_no_more(
    declared: BackupDestination, declare: Declare, home: Path
) -> None:
    rows = some(declared, 5)
    assert redeclare(declare, home, days=6) == []
    assert redeclare(declare, home, days=90) == []
    declared.refresh_from_db()
    assert (declared.confirmed_rule["keep_days"], declared.rule_pending_since) == (90, None)
    assert there(rows) == list(range(5))


def test_while_a_rule_waits_only_that_goes_which_neither_needs(destination: BackupDestination) -> None:
    destination.retention_strategy, destination.keep_count, destination.min_keep = "simple", 5, 1
    destination.save()
    rows = some(destination, 5)
    prune(destination, by="tests")
    destination.retention_strategy, destination.keep_count = "gfs", None
    destination.keep_yearly = 1
    destination.save()
    # by number the newest five, of each year the newest one
    rows += daily(destination, 5, newest=timezone.now() - 400 * DAY)
    pruned = prune(destination, by="tests")
    assert {entry.execution for entry in pruned.deleted} == set(rows[5:])
    assert there(rows) == list(range(5))
    assert [entry.execution for entry in pruned.plan.waiting] == rows[1:5]


def test_a_stricter_rule_of_the_site_waits_too(destination: BackupDestination, settings: Settings) -> None:
    settings.BACKUP_RETENTION = {"strategy": "simple", "keep_count": 8}
    rows = some(destination)
    prune(destination, by="tests")
    assert there(rows) == list(range(8))
    settings.BACKUP_RETENTION = {"strategy": "simple", "keep_count": 3}
    assert prune(destination, by="tests").deleted == []
    settings.BACKUP_RETENTION = {"strategy": "simple", "keep_count": 8}
    settle_rule(destination)
    assert destination.rule_pending_since is None


def test_what_is_held_for_the_time_being_counts_as_going(destination: BackupDestination) -> None:
    some(destination)
    prune(destination, by="tests")
    lacks = {"component": "orders", "table": "", "measure": "rows", "before": 3, "after": 0}
    an_execution("app", destination=destination, age=DAY / 48, drops=[lacks])
    destination.retention_days, destination.min_keep = 3, 1
    destination.save()
    assert plan_prune(destination, timezone.now()).to_delete == []
    # a drop of data holds all of them now; when it ends they would go
    assert len(settle_rule(destination)) == 7


def test_the_backup_after_a_stricter_rule_deletes_nothing_more(
    small_shop: Path, back_up: BackUp, destination: BackupDestination
) -> None:
    rows = [back_up("shop") for _ in range(3)]
    BackupDestination.objects.update(retention_strategy="simple", keep_count=1, min_keep=1)
    assert back_up("shop").warnings == []
    assert there(rows) == [0, 1, 2]
    assert plan_prune(BackupDestination.objects.get(), timezone.now()).to_delete == []


def test_the_command_shows_what_would_go_and_confirms(
    declared: BackupDestination, declare: Declare, home: Path
) -> None:
    rows = some(declared)
    redeclare(declare, home, days=7)
    dry = command("confirmrule", "app-vault", "--dry-run", "--json").data
    assert ([item["id"] for item in dry["goes"]], dry["dry_run"]) == ([row.pk for row in rows[7:]], True)
    assert "waits for confirmation" in command("confirmrule", "app-vault", "--dry-run").out
    looked = command("prunebackups", "--dry-run", "--json").data
    assert [item["id"] for item in looked[0]["unconfirmed"]] == [row.pk for row in rows[7:]]
    assert "waits     app-vault: 3 more" in command("syncconfig", "app").out
    assert "is confirmed" in command("confirmrule", "app-vault").out
    assert "in force already" in refused("confirmrule", "app-vault")
    assert "unconfirmed" not in command("prunebackups", "--dry-run", "--json").data[0]


def test_a_declared_folder_that_changes_while_archives_are_there_is_a_problem_and_changes_nothing(
    declared: BackupDestination, declare: Declare, home: Path
) -> None:
    some(declared, 2)
    (problem,) = redeclare(declare, home, days=30, path="elsewhere")
    assert "cannot be moved" in problem and "2 of its archives" in problem
    declared.refresh_from_db()
    assert declared.options()["path"] == "vault"
    BackupExecution.objects.update(deleted_at=timezone.now())
    recopied()
    assert redeclare(declare, home, days=30, path="elsewhere") == []
    declared.refresh_from_db()
    assert declared.options()["path"] == "elsewhere"


def test_a_site_rule_that_cannot_be_meant_keeps_no_declaration_from_being_read(
    home: Path, declare: Declare, settings: Settings
) -> None:
    text = DECLARED.replace("retention_days = {days}", "enabled = {days}")
    (home / "note").write_text("hello")
    declare(text.format(root=home, path="vault", days="true"))
    sync("app")
    settings.BACKUP_RETENTION = {"strategy": "sometimes"}
    declare(text.format(root=home, path="vault", days="false"))
    assert "is unknown" in " ".join(sync("app").problems)
    assert not BackupDestination.objects.get(name="app-vault").enabled


def test_what_would_go_only_with_the_next_backup_is_asked_about_as_well(destination: BackupDestination) -> None:
    rows = some(destination, 4)
    settle_rule(destination)
    destination.retention_strategy, destination.keep_count, destination.min_keep = "simple", 4, 1
    destination.save()
    assert [entry.execution for entry in settle_rule(destination)] == [rows[3]]
    destination.keep_count = 5
    assert settle_rule(destination) == []
