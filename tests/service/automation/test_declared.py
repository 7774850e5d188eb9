"""Declarations with mistakes: each is named, by the sync and by `manage.py check`, and none becomes a silent row."""

from pathlib import Path

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from backups.instances import get_instance
from backups.models import BackupSchedule, InstanceState
from backups.service.automation.sync import Synced, sync
from backups.service.automation.watch import back_up_changes
from destinations.models import BackupDestination
from tests.support.archives.stored import file_of
from tests.support.site_fixtures import BackUp, Declare

pytestmark = pytest.mark.django_db
VAULT = "[backup.destinations.vault]\ntype = local\n"
SMALL = "[auth]\nbackends = local\n"


@pytest.fixture
def config(tacacs_root: Path) -> Path:
    return tacacs_root / "config" / "tacacs.conf"


def synced(config: Path, text: str) -> Synced:
    """Sync a small configuration with `text`; the check names the same problems."""
    config.write_text(f"{SMALL}{text}")
    result = sync("tacacs-hq")
    named = [found.msg for found in run_checks() if found.id == "backups.W005"]
    assert named == [f"[tacacs-hq] {problem}" for problem in result.problems]
    return result


def test_a_misspelt_key_makes_no_schedule_that_never_runs(config: Path) -> None:
    found = synced(config, f"{VAULT}[backup.schedules.nightly]\ndestination = vault\nshedule = 0 2 * * *\n")

    assert [problem.partition(" Write")[0] for problem in found.problems] == [
        "[backup.schedules.nightly]: The key shedule is unknown.",
        "[backup.schedules.nightly]: The key schedule is missing.",
    ]
    assert "Write schedule." in found.problems[0]
    assert not BackupSchedule.objects.exists()


def test_a_schedule_that_is_manual_says_so(config: Path) -> None:
    assert synced(config, f"{VAULT}[backup.schedules.x]\ndestination = vault\nschedule = manual\n").problems == []
    assert BackupSchedule.objects.get().type == "manual"


@pytest.mark.parametrize(
    ("text", "named", "instead"),
    [
        ("[backup.local]\nbase_path = /x\n", "[backup.local]", "[backup.destinations.local]"),
        ("[backup.sftp]\nhost = x\n", "[backup.sftp]", "[backup.destinations.sftp] with type = sftp"),
        ("[backup.azure]\ncontainer_name = x\n", "[backup.azure]", "[backup.destinations.azure]"),
        ("[backup.schedule.nightly]\nschedule = x\n", "[backup.schedule.nightly]", "[backup.schedules.NAME]"),
        ("[Backups]\nenabled = true\n", "[Backups]", "[backup]"),
        ("[backup]\nschedule = 0 2 * * *\n", "[backup]: The key schedule", "[backup.schedules.NAME]"),
        ("[backup]\nretention_days = 9\n", "[backup]: The key retention_days", "default_retention_days"),
        ("[backup]\nenabled = ture\n", "[backup]: The value of enabled", "neither true nor false"),
        ("[backup.destinations.x]\nbase_path = /x\n", "[backup.destinations.x]: The key base_path", "Write path"),
        (
            "[backup.destinations.x]\ntype = sftp\nhost = h\nusername = u\npassword = p\nhost_key_verify = false\n",
            "[backup.destinations.x]: The option 'host_key_verify'",
            "host_key",
        ),
        (
            "[backup.destinations.x]\ntype = sftp\nhost = h\nusername = u\npassword = p\nlocal_root = /x\n",
            "[backup.destinations.x]: A destination of type 'sftp' has no option 'local_root'",
            "Leave it out",
        ),
        ("[backup.destinations.x]\ntype = sftpp\n", "[backup.destinations.x]", ""),
    ],
)
def test_what_is_unknown_is_named_with_what_to_write_instead(text: str, named: str, instead: str, config: Path) -> None:
    (problem,) = synced(config, text).problems

    assert problem.startswith(named)
    assert instead in problem
    assert not BackupDestination.objects.exists()


def test_comments_and_quotation_marks_are_no_part_of_a_value(config: Path) -> None:
    text = (
        '[backup.destinations.vault]\ntype = local  # the array\npath = "va" ; in the cellar\nretention_days = 9 # d\n'
        '[backup.schedules.nightly]\ndestination = "vault"  # see above\nschedule = "0 2 * * *"  # 2 AM daily\n'
        "enabled = true ; for now\n"
    )
    assert synced(config, text).problems == []

    vault, nightly = BackupDestination.objects.get(), BackupSchedule.objects.get()
    assert (vault.options()["path"], vault.retention_days) == ("va", 9)
    assert (nightly.expression, nightly.destination, nightly.enabled) == ("0 2 * * *", vault, True)


def test_a_secret_keeps_its_number_signs_and_quotation_marks(config: Path) -> None:
    config.write_text(f'{SMALL}[backup.destinations.far]\npassword = "a" # b\nuser = "a" # b\n')
    service = get_instance("tacacs-hq").service

    declared = service.declared(service.live().merged)["backup.destinations.far"]

    assert declared == {"password": '"a" # b', "user": "a"}


def test_a_text_of_the_instances_file_is_what_toml_says(declare: Declare, tmp_path: Path) -> None:
    declare(
        f'[shop]\nkind = "generic"\nroot = "{tmp_path}"\n[shop.components.a]\nkind = "files"\npath = "a"\n'
        '[shop.backup.destinations.vault]\ntype = "local # x"\n'
    )
    service = get_instance("shop").service

    assert service.declared({})["backup.destinations.vault"] == {"type": "local # x"}


@pytest.mark.parametrize("interval", ["weeks:2", "seconds:3600"])
def test_every_unit_of_the_service_is_an_interval(interval: str, config: Path) -> None:
    text = f"{VAULT}[backup.schedules.x]\ndestination = vault\nschedule = {interval}\n"

    assert synced(config, text).problems == []
    assert BackupSchedule.objects.get().next_run is not None


def test_a_key_without_effect_is_a_note_when_it_differs_from_the_default_of_the_service(config: Path) -> None:
    text = "[backup]\nencryption_enabled = true\ntemp_directory = data/backup_temp\n"
    (note,) = synced(config, text).notes

    assert note.startswith("[backup]: The key encryption_enabled has no effect here.")


def test_notes_are_logged_when_the_configuration_changed_and_not_again(
    config: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config.write_text(f"{SMALL}[backup]\nencryption_enabled = true\n")
    InstanceState.objects.create(instance="tacacs-hq")

    for _ in range(3):
        back_up_changes("backups")

    assert sum("config.note" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.parametrize(
    ("expression", "notes"), [("0 2 * * 1", 1), ("0 2 * * mon-fri", 0), ("0 2 * * */2", 0), ("0 2 * * 1-5", 1)]
)
def test_a_numbered_weekday_is_a_note(expression: str, notes: int, config: Path) -> None:
    text = f"{VAULT}[backup.schedules.x]\ndestination = vault\nschedule = {expression}\n"

    assert len(synced(config, text).notes) == notes


def test_the_declared_level_of_compression_is_used(config: Path, back_up: BackUp, settings: Settings) -> None:
    settings.BACKUP_COMPRESSION_LEVEL = 9
    sizes = []
    for declared in ("", "compression_level = 1\n", "compression_level = 99\n"):
        config.write_text(f"{SMALL}[backup]\n{declared}")
        sizes.append(file_of(back_up()).stat().st_size)

    slow, fast, invalid = sizes
    assert fast > 1.02 * slow
    assert abs(invalid - slow) < 0.01 * slow
