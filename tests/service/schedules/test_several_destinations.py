"""Schedules that back up to several destinations: declared, added, started, and described."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from backups.models import BackupExecution, BackupSchedule
from backups.service.automation.by_hand import run_now
from backups.service.automation.schedules import start_due
from backups.service.automation.sync import sync
from backups.service.schedules.freshness import max_ages
from backups.service.schedules.planning import set_further
from destinations.models import BackupDestination
from tests.support.call_commands import command, refused
from tests.support.pages.schedule_pages import a_schedule
from tests.support.rows import a_destination

pytestmark = pytest.mark.django_db
UNKNOWN = ("--destination", "attic")
TWO = """
[backup.destinations.vault]
type = local
path = vault
[backup.destinations.cellar]
type = local
path = cellar
[backup.schedules.nightly]
destination = {names}
schedule = 0 2 * * *
"""


def names(schedule: BackupSchedule) -> list[str]:
    return [one.name for one in BackupSchedule.objects.get(pk=schedule.pk).destinations]


def wanted(backup: BackupExecution) -> list[str]:
    return [copy.destination.name for copy in backup.copies.select_related("destination")]


def test_a_due_slot_starts_one_backup_to_all_of_its_destinations(tacacs_root: Path) -> None:
    past = timezone.now() - timedelta(minutes=1)
    schedule = a_schedule("nightly", instance="tacacs-hq")
    BackupSchedule.objects.update(next_run=past)
    set_further(schedule, [a_destination("vault"), a_destination("cellar")])
    (backup,) = start_due("backups")
    assert wanted(backup) == ["nas", "vault", "cellar"]
    BackupExecution.objects.all().delete()
    assert wanted(run_now(schedule, by="alice")) == ["nas", "vault", "cellar"]


def test_its_further_destinations_are_held_to_its_cadence_too(tacacs_root: Path) -> None:
    schedule = a_schedule("nightly", instance="tacacs-hq")
    vault = a_destination("vault")
    assert max_ages(["tacacs-hq"], vault) == {}
    set_further(schedule, [vault])
    assert max_ages(["tacacs-hq"], vault) == max_ages(["tacacs-hq"], a_destination("nas")) != {}


def test_the_command_adds_and_lists_them_in_order(tacacs_root: Path) -> None:
    for name in ("nas", "vault", "cellar"):
        a_destination(name)
    options = ("--instance", "tacacs-hq", "--cron", "0 2 * * *")
    data = command("addschedule", "nightly", *options, "--destination", "vault", "--destination", "nas", "--json").data
    assert (data["destination"], data["destinations"]) == ("vault", ["vault", "nas"])
    assert "to vault, nas," in command("listschedules").out
    assert "no destination 'attic'" in refused(
        "addschedule", "x", *options, "--destination", "nas", "--destination", "attic"
    )
    assert BackupSchedule.objects.count() == 1


def test_a_service_declares_several_with_commas(tacacs_root: Path) -> None:
    config = tacacs_root / "config" / "tacacs.conf"
    plain = config.read_text()
    config.write_text(plain + TWO.format(names="vault, cellar"))
    assert sync("tacacs-hq").problems == []
    row = BackupSchedule.objects.get()
    assert names(row) == ["tacacs-hq-vault", "tacacs-hq-cellar"]
    assert sync("tacacs-hq").changed == []
    config.write_text(plain + TWO.format(names="cellar"))
    assert sync("tacacs-hq").changed == ["schedule tacacs-hq-nightly"]
    assert names(row) == ["tacacs-hq-cellar"]
    config.write_text(plain + TWO.format(names="cellar, attic"))
    (problem,) = sync("tacacs-hq").problems
    assert "does not exist" in problem
    assert names(row) == ["tacacs-hq-cellar"]


def test_a_destination_of_a_schedule_is_not_deleted(tacacs_root: Path) -> None:
    schedule = a_schedule("nightly", instance="tacacs-hq")
    vault = a_destination("vault")
    set_further(schedule, [vault])
    assert vault.protected_by() == ["1 further destination of a schedule"]
    assert BackupDestination.objects.filter(pk=vault.pk).exists()


def test_disabling_a_destination_says_which_schedules_fail_and_which_lack_a_copy(tacacs_root: Path) -> None:
    nas, vault = a_destination("nas"), a_destination("vault")
    a_schedule("alone", instance="tacacs-hq", destination=vault)
    set_further(a_schedule("both", instance="tacacs-hq", destination=nas), [vault])
    data = command("disabledestination", "vault", "--why", "full", "--json").data
    assert (data["schedules"], data["lacking"], data["copies"]) == (["alone"], ["both"], 0)
