"""A changed configuration is backed up by itself, once it is stable and not too often."""

import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from backups.models import BackupExecution, InstanceState
from backups.service.automation.watch import back_up_changes, start_up
from backups.service.backup.run import run_backup

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
