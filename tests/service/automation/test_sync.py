"""Destinations and schedules that a service declares in its own configuration."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from backups.errors import BackupError
from backups.models import BackupSchedule
from backups.service.automation.sync import sync
from destinations.models import BackupDestination

pytestmark = pytest.mark.django_db
VAULT = "\n[backup.destinations.vault]\ntype = local\npath = vault\nretention_days = 14\n"
NIGHTLY = "\n[backup.schedules.nightly]\ndestination = vault\nschedule = 0 2 * * *\ntime_zone = Europe/Berlin\n"
OFTEN = "\n[backup.schedules.often]\ndestination = vault\nschedule = hours:6\n"


@pytest.fixture
def config(tacacs_root: Path) -> Path:
    return tacacs_root / "config" / "tacacs.conf"


def add(config: Path, text: str) -> None:
    config.write_text(config.read_text() + text)


def test_sections_become_rows_that_say_who_manages_them(config: Path) -> None:
    add(config, VAULT + NIGHTLY + OFTEN)
    synced = sync("tacacs-hq")
    assert synced.problems == []
    vault = BackupDestination.objects.get(name="tacacs-hq-vault")
    assert (vault.type, vault.options()["path"], vault.retention_days) == ("local", "vault", 14)
    assert vault.managed_by == "configuration of tacacs-hq"
    nightly = BackupSchedule.objects.get(name="tacacs-hq-nightly")
    assert (nightly.type, nightly.expression, nightly.time_zone) == ("cron", "0 2 * * *", "Europe/Berlin")
    assert nightly.destination == vault
    assert nightly.next_run is not None
    assert BackupSchedule.objects.get(name="tacacs-hq-often").type == "interval"


def test_a_second_sync_changes_nothing(config: Path) -> None:
    add(config, VAULT + NIGHTLY)
    sync("tacacs-hq")
    again = sync("tacacs-hq")
    assert (again.changed, again.disabled) == ([], [])


def test_an_edit_of_the_file_moves_the_next_run(config: Path) -> None:
    add(config, VAULT + NIGHTLY)
    sync("tacacs-hq")
    before = BackupSchedule.objects.get().next_run
    config.write_text(config.read_text().replace("schedule = 0 2 * * *", "schedule = 30 4 * * *"))
    assert sync("tacacs-hq").changed == ["schedule tacacs-hq-nightly"]
    assert BackupSchedule.objects.get().next_run != before


def test_what_disappears_is_disabled_and_not_deleted_and_comes_back(config: Path) -> None:
    without = config.read_text()
    add(config, VAULT + NIGHTLY)
    sync("tacacs-hq")
    whole = config.read_text()
    config.write_text(without)
    assert sync("tacacs-hq").disabled == ["schedule tacacs-hq-nightly", "destination tacacs-hq-vault"]
    row = BackupSchedule.objects.get()
    assert (row.enabled, row.next_run) == (False, None)
    assert not BackupDestination.objects.get().enabled
    config.write_text(whole)
    sync("tacacs-hq")
    assert BackupSchedule.objects.get().enabled
    assert BackupDestination.objects.get().enabled


def test_a_section_that_is_wrong_is_named_and_leaves_its_row_as_it_was(config: Path) -> None:
    add(config, VAULT + NIGHTLY)
    sync("tacacs-hq")
    config.write_text(config.read_text().replace("schedule = 0 2 * * *", "schedule = 0 3 31 2 *"))
    synced = sync("tacacs-hq")
    assert synced.problems == ["[backup.schedules.nightly]: its schedule names a day that never comes."]
    row = BackupSchedule.objects.get()
    assert (row.expression, row.enabled) == ("0 2 * * *", True)


def test_an_unknown_type_and_an_escaping_path_are_refused_by_name(config: Path) -> None:
    add(config, "\n[backup.destinations.pigeon]\ntype = carrier-pigeon\n")
    add(config, "\n[backup.destinations.out]\ntype = local\npath = ../../etc\n")
    problems = sync("tacacs-hq").problems
    assert [problem.partition(":")[0] for problem in problems] == [
        "[backup.destinations.pigeon]",
        "[backup.destinations.out]",
    ]
    assert BackupDestination.objects.count() == 0


def test_a_row_made_by_hand_is_never_taken_over(config: Path) -> None:
    mine = BackupDestination(name="tacacs-hq-vault", type="local")
    mine.configure({"path": "mine"})
    mine.save()
    add(config, VAULT)
    (problem,) = sync("tacacs-hq").problems
    assert (
        problem == "[backup.destinations.vault]: A destination tacacs-hq-vault exists already, and was added by hand."
    )
    mine.refresh_from_db()
    assert (mine.options()["path"], mine.managed_by) == ("mine", "")


def test_backups_switched_off_in_the_file_pause_its_schedules(config: Path) -> None:
    add(config, VAULT + NIGHTLY)
    sync("tacacs-hq")
    config.write_text(config.read_text().replace("[backup]\nenabled = true", "[backup]\nenabled = false"))
    sync("tacacs-hq")
    row = BackupSchedule.objects.get()
    assert (row.enabled, row.next_run) == (False, None)


def test_a_schedule_may_use_a_destination_made_by_hand(config: Path, destination: BackupDestination) -> None:
    add(config, NIGHTLY.replace("vault", "nas"))
    assert sync("tacacs-hq").problems == []
    assert BackupSchedule.objects.get().destination == destination


def test_the_default_strategy_of_the_service_becomes_the_rule(config: Path) -> None:
    text = config.read_text().replace("default_retention_strategy = simple", "default_retention_strategy = gfs")
    config.write_text(text + VAULT)
    assert sync("tacacs-hq").problems == []
    vault = BackupDestination.objects.get()
    assert (vault.retention_strategy, vault.keep_daily, vault.keep_weekly, vault.keep_monthly) == ("gfs", 7, 4, 12)
    assert vault.rule() is not None


def test_a_generic_instance_declares_in_the_instances_file(home: Path, declare: Callable[[str], None]) -> None:
    root = home / "shop"
    root.mkdir()
    (root / "notes.txt").write_text("x")
    declare(
        f'[shop]\nkind = "generic"\nroot = "{root}"\n'
        '[shop.components.notes]\nkind = "files"\npath = "notes.txt"\n'
        '[shop.backup.destinations.box]\ntype = "local"\npath = "box"\nretention_days = 7\n'
        '[shop.backup.schedules.daily]\ndestination = "box"\nschedule = "days:1"\n'
    )
    assert sync("shop").problems == []
    assert BackupSchedule.objects.get(name="shop-daily").destination.name == "shop-box"
    assert BackupDestination.objects.get(name="shop-box").retention_days == 7


def test_an_unreadable_configuration_is_an_error_and_disables_nothing(config: Path) -> None:
    add(config, VAULT + NIGHTLY)
    sync("tacacs-hq")
    config.write_text("not an ini file\n")
    with pytest.raises(BackupError):
        sync("tacacs-hq")
    assert BackupSchedule.objects.get().enabled


def test_the_command_says_what_changed_and_ends_with_an_error_for_what_is_wrong(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(config, VAULT + "\n[backup.schedules.bad]\ndestination = nowhere\nschedule = 0 2 * * *\n")
    with pytest.raises(CommandError, match=r"\[backup.schedules.bad\]: Its destination does not exist"):
        call_command("syncconfig", "tacacs-hq")
    assert "changed   destination tacacs-hq-vault" in capsys.readouterr().out


def test_a_schedule_never_moves_to_a_namesake_of_its_destination_that_is_declared_wrongly(
    config: Path, destination: BackupDestination
) -> None:
    add(config, VAULT + NIGHTLY)
    sync("tacacs-hq")
    BackupDestination.objects.filter(pk=destination.pk).update(name="vault")
    config.write_text(config.read_text().replace("type = local\npath = vault", "type = cloud\npath = vault"))
    problems = sync("tacacs-hq").problems
    assert problems[-1] == "[backup.schedules.nightly]: Its destination has configuration errors."
    assert BackupSchedule.objects.get().destination.name == "tacacs-hq-vault"
    assert BackupSchedule.objects.get().enabled


def test_a_section_can_be_switched_off(config: Path) -> None:
    add(config, VAULT + "enabled = false\n" + NIGHTLY + OFTEN + "enabled = no\n")
    assert sync("tacacs-hq").problems == []
    assert not BackupDestination.objects.get().enabled
    enabled = dict(BackupSchedule.objects.values_list("name", "enabled"))
    assert enabled == {"tacacs-hq-nightly": True, "tacacs-hq-often": False}


@pytest.mark.parametrize(("days", "kept"), [("90", 90), ("7", 14)])
def test_the_days_of_a_schedule_make_its_destination_keep_longer_and_never_shorter(
    config: Path, days: str, kept: int
) -> None:
    add(config, VAULT + NIGHTLY + f"retention_days = {days}\n" + OFTEN)
    assert sync("tacacs-hq").problems == []
    assert BackupDestination.objects.get().retention_days == kept


def test_quotation_marks_around_an_expression_are_read_as_such(config: Path) -> None:
    add(config, VAULT + '\n[backup.schedules.nightly]\ndestination = vault\nschedule = "0 2 * * *"\n')
    assert sync("tacacs-hq").problems == []
    assert BackupSchedule.objects.get().expression == "0 2 * * *"
