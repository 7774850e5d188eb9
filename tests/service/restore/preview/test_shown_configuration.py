"""The configuration of the backup beside the one in use."""

import json
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.errors import BackupError
from backups.models import BackupExecution
from backups.service.restore.preview.build import preview
from tests.support.restores.previews import part
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db


def test_the_configuration_is_compared_key_by_key_with_secrets_masked(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    file = tacacs_root / "config" / "tacacs.conf"
    file.write_text(
        file.read_text()
        .replace("port = 49\n", "port = 50\n")
        .replace("radius_secret = change_me", "radius_secret = hunter2hunter2")
        .replace("[webhooks]\nurls = \n", "[webhooks]\nextra = 1\n")
    )
    shown = preview(backup, "tacacs-hq", ["config"])
    changes = {f"{item.section}.{item.key}": (item.now, item.backup) for item in part(shown, "config").configuration}
    secret = changes.pop("radius_auth.radius_secret")
    assert changes == {"server.port": ("50", "49"), "webhooks.extra": ("1", None)}
    assert all(value is not None and value.startswith("•••••• (") for value in secret)
    assert secret[0] != secret[1]
    assert not {"hunter2hunter2", "change_me"} & set(json.dumps(shown.to_dict()).split('"'))
    assert shown.loss == "The present values of 3 configuration keys will be gone."


def test_a_secret_is_equal_after_the_key_of_the_site_was_rotated(
    tacacs_root: Path, back_up: BackUp, settings: Settings
) -> None:
    backup = back_up()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [settings.SECRET_KEY]
    assert part(preview(backup, "tacacs-hq"), "config").configuration == ()


def test_a_section_shows_its_own_keys_only(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    file = tacacs_root / "config" / "tacacs.conf"
    file.write_text(file.read_text().replace("port = 49\n", "port = 50\n").replace("timeout = 3\n", "timeout = 4\n"))
    shown = preview(backup, "tacacs-hq", ["config.section:webhooks"])
    changes = [(item.section, item.key) for item in part(shown, "config").configuration]
    assert changes == [("webhooks", "timeout")]
    assert [found.name for found in shown.components if found.selected] == ["config"]
    with pytest.raises(BackupError, match=r"The archive has no section \[nothing\]"):
        preview(backup, "tacacs-hq", ["config.section:nothing"])


def test_a_row_without_configuration_has_it_read_from_the_first_bytes_of_the_archive(
    tacacs_root: Path, home: Path, back_up: BackUp
) -> None:
    backup = back_up()
    archive = home / "backups" / "nas" / backup.backup_path
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    BackupExecution.objects.filter(pk=backup.pk).update(config_json=None)
    backup.refresh_from_db()
    file = tacacs_root / "config" / "tacacs.conf"
    file.write_text(file.read_text().replace("change_me", "hunter2hunter2"))
    (found,) = part(preview(backup, "tacacs-hq"), "config").configuration
    assert (found.key, str(found.backup)[:6]) == ("radius_secret", "••••••")

    (home / "backups").rename(home / "offline")
    shown = part(preview(backup, "tacacs-hq"), "config")
    assert shown.configuration == ()
    assert shown.notes[0].startswith("The configuration cannot be compared: ")
    assert "offline" not in shown.notes[0]


def test_a_broken_live_configuration_is_said_and_the_rest_is_compared(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    (tacacs_root / "config" / "tacacs.conf").write_text("no section\n")
    shown = preview(backup, "tacacs-hq")
    assert part(shown, "config").notes[0].startswith("The configuration cannot be compared: ")
    assert part(shown, "devices").tables[1].now == 300
