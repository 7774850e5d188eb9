"""Hooks and marks that fail around a restore."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backups.errors import BackupError
from backups.models import InstanceState
from backups.runs import hooks
from backups.service.restore.ending import finish as finishing
from backups.service.restore.ending import restart
from tests.support.restores.faults import HOOKS, assert_as_before
from tests.support.restores.instance_restores import restore, the_restore
from tests.support.site_fixtures import Listing

pytestmark = pytest.mark.django_db


def test_a_marker_that_cannot_be_written_is_a_warning_because_the_data_is_proven(
    spoilt: Any, tacacs_root: Path, hook_log: Path, home: Path, declare: Callable[[str], None]
) -> None:
    backup, _ = spoilt
    text = (home / "instances.toml").read_text()
    declare(text.replace("[tacacs-hq.hooks]", 'state = "config/tacacs.conf"\n[tacacs-hq.hooks]'))
    restored = restore(backup)
    assert restored.status == "completed"
    (warning,) = restored.warnings
    assert warning.startswith(f"{tacacs_root}/config/tacacs.conf/restart-required.json cannot be written: ")
    assert InstanceState.objects.get().restart_required_by == restored.pk


def test_a_hook_that_fails_before_stops_the_restore_with_nothing_changed(
    spoilt: Any, tacacs_root: Path, home: Path, declare: Callable[[str], None], workspaces: Listing
) -> None:
    backup, before = spoilt
    log = home / "hooks.log"
    hooks = HOOKS.format(log=log).replace(f"echo stopped >> {log}", "echo will not; exit 3")
    declare((home / "instances.toml").read_text() + hooks)
    with pytest.raises(BackupError, match=r"^The hook before_restore \(sh\) failed with exit code 3\.$"):
        restore(backup)
    assert_as_before(tacacs_root, before, workspaces)
    row = the_restore()
    assert (row.status, row.outcome) == ("failed", {})
    assert "hook before_restore (sh) failed with exit code 3. Nothing was changed." in row.error_message
    assert [note["output"] for note in row.hook_output] == ["will not\n", ""]
    # it may have stopped the service before it failed
    assert log.read_text() == "started\n"


def test_a_hook_that_fails_after_is_a_warning_for_everybody_to_see(
    spoilt: Any, tacacs_root: Path, home: Path, declare: Callable[[str], None]
) -> None:
    backup, _ = spoilt
    declare((home / "instances.toml").read_text() + '\n[tacacs-hq.hooks]\nafter_restore = ["false"]\n')
    restored = restore(backup)
    assert restored.status == "completed"
    (warning,) = restored.warnings
    assert "hook after_restore (false) failed with exit code 1" in warning
    assert "may not be running" in warning


@pytest.mark.parametrize("broken", ["require", "run_hook"])
def test_what_fails_when_the_data_is_proven_is_a_warning_and_the_rest_is_done(
    broken: str, spoilt: Any, hook_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup, _ = spoilt

    def fail(*_: object) -> None:
        raise RecursionError

    monkeypatch.setattr(*((restart, "require") if broken == "require" else (finishing, "run_hook")), fail)
    restored = restore(backup)
    assert restored.status == "completed"
    (warning,) = restored.warnings
    assert "RecursionError" in warning
    assert hook_log.read_text() == ("stopped\nstarted\n" if broken == "require" else "stopped\n")


def test_a_disk_without_room_for_the_output_of_a_hook_keeps_no_service_down(
    spoilt: Any, hook_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup, _ = spoilt

    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(hooks.tempfile, "TemporaryFile", full)
    assert restore(backup).status == "completed"
    assert hook_log.read_text() == "stopped\nstarted\n"
