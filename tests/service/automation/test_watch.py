"""A changed configuration is backed up by itself, once it is stable and not too often."""

import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from backups.models import BackupExecution, BackupSchedule, InstanceState
from backups.service.automation import sync as sync_module
from backups.service.automation.watch import back_up_changes, start_up
from backups.service.backup.run import run_backup
from destinations.models import BackupDestination

pytestmark = pytest.mark.django_db(transaction=True)
BackUp = Callable[..., BackupExecution]
QUEUE = "backups"


@pytest.fixture
def config(tacacs_root: Path, settings: Settings) -> Path:
    settings.BACKUP_QUEUE = QUEUE
    settings.BACKUP_WATCH_DEBOUNCE = 60
    settings.BACKUP_WATCH_INTERVAL = 600
    return tacacs_root / "config" / "tacacs.conf"


def change(config: Path, port: int) -> None:
    config.write_text(config.read_text().replace("backup_count = 5", f"backup_count = {port}"))


def later(seconds: float) -> None:
    """Let that much time have passed since the configuration was last seen to change."""
    changed_at = timezone.now() - timedelta(seconds=seconds)
    InstanceState.objects.update(config_changed_at=changed_at)


def test_a_change_is_backed_up_once_it_has_been_stable(config: Path, back_up: BackUp) -> None:
    back_up()
    assert back_up_changes(QUEUE) == []
    later(61)
    assert back_up_changes(QUEUE) == []
    change(config, 7)
    assert back_up_changes(QUEUE) == []
    later(30)
    assert back_up_changes(QUEUE) == []
    later(61)
    (started,) = back_up_changes(QUEUE)
    assert (started.kind, started.status) == ("config_change", "queued")


def test_a_change_that_goes_on_changing_waits(config: Path, back_up: BackUp) -> None:
    back_up()
    back_up_changes(QUEUE)
    for port in (7, 8):
        change(config, 5)
        config.write_text(config.read_text() + f"\n[extra{port}]\nkey = {port}\n")
        assert back_up_changes(QUEUE) == []
        later(59)
        assert back_up_changes(QUEUE) == []


def test_after_the_backup_all_is_quiet_until_the_next_change(config: Path, back_up: BackUp, settings: Settings) -> None:
    back_up()
    back_up_changes(QUEUE)
    change(config, 7)
    back_up_changes(QUEUE)
    later(61)
    (started,) = back_up_changes(QUEUE)
    assert back_up_changes(QUEUE) == []
    run_backup(started.pk)
    assert back_up_changes(QUEUE) == []


def test_changes_are_backed_up_at_most_once_an_interval(config: Path, back_up: BackUp) -> None:
    back_up()
    back_up_changes(QUEUE)
    change(config, 7)
    back_up_changes(QUEUE)
    later(61)
    (started,) = back_up_changes(QUEUE)
    run_backup(started.pk)
    config.write_text(config.read_text() + "\n[more]\nkey = 1\n")
    back_up_changes(QUEUE)
    later(61)
    assert back_up_changes(QUEUE) == []
    BackupExecution.objects.filter(pk=started.pk).update(created_at=timezone.now() - timedelta(seconds=601))
    assert len(back_up_changes(QUEUE)) == 1


def test_a_changed_override_counts_as_a_change(config: Path, back_up: BackUp) -> None:
    back_up()
    back_up_changes(QUEUE)
    live = sqlite3.connect(config.parent.parent / "data" / "config_overrides.db")
    live.execute("UPDATE config_overrides SET value = 'ERROR' WHERE key = 'log_level'")
    live.commit()
    live.close()
    back_up_changes(QUEUE)
    later(61)
    assert len(back_up_changes(QUEUE)) == 1


def test_an_instance_can_switch_its_watch_off(config: Path, back_up: BackUp, declare: Callable[[str], None]) -> None:
    back_up()
    declare(
        f'[tacacs-hq]\nkind = "tacacs"\nroot = "{config.parent.parent}"\nconfig = "config/tacacs.conf"\nwatch = false\n'
    )
    back_up_changes(QUEUE)
    change(config, 7)
    back_up_changes(QUEUE)
    later(61)
    assert back_up_changes(QUEUE) == []


def test_an_instance_that_was_never_backed_up_is_left_to_its_schedules(config: Path) -> None:
    back_up_changes(QUEUE)
    later(61)
    assert back_up_changes(QUEUE) == []


def test_a_broken_configuration_is_logged_and_stops_no_other(
    config: Path, back_up: BackUp, declare: Callable[[str], None], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "b.conf").write_text("no section\n")
    hq = f'[tacacs-hq]\nkind = "tacacs"\nroot = "{config.parent.parent}"\nconfig = "config/tacacs.conf"\n'
    declare(f'[a-broken]\nkind = "tacacs"\nroot = "{broken}"\nconfig = "b.conf"\n' + hq)
    back_up()
    back_up_changes(QUEUE)
    change(config, 7)
    back_up_changes(QUEUE)
    later(61)
    assert len(back_up_changes(QUEUE)) == 1
    assert "watch.failed instance=a-broken" in caplog.text


def test_a_changed_file_is_synced(config: Path, back_up: BackUp) -> None:
    back_up_changes(QUEUE)
    config.write_text(config.read_text() + "\n[backup.schedules.nightly]\ndestination = nas\nschedule = 0 2 * * *\n")
    back_up_changes(QUEUE)
    assert BackupSchedule.objects.get().name == "tacacs-hq-nightly"


def test_the_start_of_a_worker_backs_up_who_asks_for_it_and_not_again_at_once(config: Path, back_up: BackUp) -> None:
    assert start_up(QUEUE) == []
    config.write_text(config.read_text().replace("create_on_startup = false", "create_on_startup = true"))
    (started,) = start_up(QUEUE)
    assert started.kind == "startup"
    assert start_up(QUEUE) == []


def test_a_worker_that_starts_backs_up_nothing_where_backups_are_switched_off(config: Path, back_up: BackUp) -> None:
    text = config.read_text().replace("create_on_startup = false", "create_on_startup = true")
    config.write_text(text.replace("[backup]\nenabled = true", "[backup]\nenabled = false"))
    assert start_up(QUEUE) == []


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
