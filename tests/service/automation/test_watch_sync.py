"""What a changed configuration declares is synced by itself, and a problem of it is logged once."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from backups.models import BackupExecution, BackupSchedule, InstanceState
from backups.service.automation import cleanup
from backups.service.automation import sync as sync_module
from backups.service.automation.watch import back_up_changes
from destinations.models import BackupDestination

pytestmark = pytest.mark.django_db(transaction=True)
BackUp = Callable[..., BackupExecution]
QUEUE = "backups"


@pytest.fixture
def config(tacacs_root: Path, settings: Settings) -> Path:
    settings.BACKUP_QUEUE = QUEUE
    return tacacs_root / "config" / "tacacs.conf"


def test_a_changed_file_is_synced(config: Path, back_up: BackUp) -> None:
    back_up_changes(QUEUE)
    config.write_text(config.read_text() + "\n[backup.schedules.nightly]\ndestination = nas\nschedule = 0 2 * * *\n")
    back_up_changes(QUEUE)
    assert BackupSchedule.objects.get().name == "tacacs-hq-nightly"


GENERIC = """
[shop]
kind = "generic"
root = "{root}"
[shop.components.notes]
kind = "files"
path = "notes.txt"
"""
BOX = """
[shop.backup.destinations.box]
type = "local"
[shop.backup.schedules.daily]
destination = "box"
schedule = "days:1"
"""


def enabled_rows() -> dict[str, bool]:
    return {row.name: row.enabled for model in (BackupSchedule, BackupDestination) for row in model.objects.all()}


def test_tables_of_the_instances_file_are_synced_when_it_changes(
    home: Path, declare: Callable[[str], None], settings: Settings
) -> None:
    settings.BACKUP_QUEUE = QUEUE
    generic = GENERIC.format(root=home)
    declare(generic)
    back_up_changes(QUEUE)
    assert enabled_rows() == {}
    declare(generic + BOX)
    back_up_changes(QUEUE)
    assert enabled_rows() == {"shop-daily": True, "shop-box": True}
    declare(generic)
    back_up_changes(QUEUE)
    assert enabled_rows() == {"shop-daily": False, "shop-box": False}
    declare(generic + BOX)
    back_up_changes(QUEUE)
    assert enabled_rows() == {"shop-daily": True, "shop-box": True}


def test_what_an_instance_declared_is_disabled_when_it_is_gone_and_comes_back_with_it(
    home: Path, declare: Callable[[str], None], settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.BACKUP_QUEUE = QUEUE
    generic = GENERIC.format(root=home) + BOX
    declare(generic)
    back_up_changes(QUEUE)
    for unreadable in ("not a table\n", generic.replace('kind = "generic"', 'kind = "unknown"')):
        declare(unreadable)
        back_up_changes(QUEUE)
        assert enabled_rows() == {"shop-daily": True, "shop-box": True}
    declare("")
    back_up_changes("elsewhere")
    assert enabled_rows() == {"shop-daily": True, "shop-box": True}
    back_up_changes(QUEUE)
    assert enabled_rows() == {"shop-daily": False, "shop-box": False}
    assert "config.removed instance=shop" in caplog.text
    declare(generic)
    back_up_changes(QUEUE)
    assert enabled_rows() == {"shop-daily": True, "shop-box": True}


def test_nothing_is_disabled_when_the_file_begins_to_be_written_in_between(
    home: Path, declare: Callable[[str], None], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.BACKUP_QUEUE = QUEUE
    declare(GENERIC.format(root=home) + BOX)
    back_up_changes(QUEUE)

    def truncates(real: Callable[[], Any]) -> Any:
        found = real()
        settings.BACKUP_INSTANCES_FILE.write_text("")
        return found

    for name in ("inventory", "is_settled"):
        monkeypatch.setattr(cleanup, name, partial(truncates, getattr(cleanup, name)))
    assert cleanup.disable_removed_instances() == []
    assert enabled_rows() == {"shop-daily": True, "shop-box": True}


def test_a_sync_that_failed_is_tried_again(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text(config.read_text() + "\n[backup.destinations.box]\ntype = local\n")
    with monkeypatch.context() as patch:
        patch.setattr(sync_module, "lock_instance", lambda _name: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            back_up_changes(QUEUE)
    assert enabled_rows() == {}
    back_up_changes(QUEUE)
    assert enabled_rows() == {"tacacs-hq-box": True}


BAD = "\n[backup.schedules.bad]\ndestination = x\nschedule = 0 2 * * *\n"


def test_a_problem_of_a_configuration_is_logged_once_and_kept_until_it_is_corrected(
    config: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def problem() -> str:
        return InstanceState.objects.get(instance="tacacs-hq").config_problem

    sound = config.read_text()
    back_up_changes(QUEUE)
    mistakes = (
        (sound + "\nnonsense\n", "neither a section nor a key"),
        (sound + BAD, "Its destination does not exist"),
    )
    for broken, words in mistakes:
        caplog.clear()
        config.write_text(broken)
        for _ in range(3):
            back_up_changes(QUEUE)
        assert words in problem()
        assert caplog.text.count(words) == 1
    config.write_text(sound)
    back_up_changes(QUEUE)
    assert problem() == ""
