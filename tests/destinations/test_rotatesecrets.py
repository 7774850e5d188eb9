"""Sealing all secrets again under a new key."""

from signal import SIGINT
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from pytest_django import Settings

from destinations.management.base import Error
from destinations.models import BackupDestination
from tests.support.secret_destination import KEY, PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("vault_type", "backup_root")]
OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


def vault(name: str) -> BackupDestination:
    destination = BackupDestination(name=name, type="vault")
    destination.configure({"password": PASSWORD, "key": KEY})
    destination.save()
    return destination


def test_after_a_rotation_the_old_key_is_needed_no_more(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    settings.BACKUP_SECRETS_KEY = [OLD]
    destination = vault("offsite")
    BackupDestination.objects.create(name="plain", type="local", config_json={"path": "plain"})
    settings.BACKUP_SECRETS_KEY = [NEW, OLD]
    call_command("rotatesecrets")
    settings.BACKUP_SECRETS_KEY = [NEW]
    destination.refresh_from_db()

    assert destination.options()["password"] == PASSWORD
    assert destination.options()["key"] == KEY
    assert capsys.readouterr().out == "Sealed again: offsite, plain.\n"


def test_what_no_key_opens_is_named_and_left_and_the_others_are_sealed_again(settings: Settings) -> None:
    settings.BACKUP_SECRETS_KEY = [Fernet.generate_key().decode()]
    lost = vault("lost")
    settings.BACKUP_SECRETS_KEY = [OLD]
    good = vault("offsite")
    settings.BACKUP_SECRETS_KEY = [NEW, OLD]

    with pytest.raises(CommandError, match="of destination 'lost' cannot be read") as caught:
        call_command("rotatesecrets")

    assert PASSWORD not in str(caught.value)
    settings.BACKUP_SECRETS_KEY = [NEW]
    good.refresh_from_db()
    assert good.options()["password"] == PASSWORD
    assert BackupDestination.objects.get(pk=lost.pk).config_json == lost.config_json


def test_every_destination_that_no_key_opens_is_named(settings: Settings) -> None:
    settings.BACKUP_SECRETS_KEY = [OLD]
    for name in ("alpha", "beta", "gamma"):
        vault(name)
    settings.BACKUP_SECRETS_KEY = [NEW]
    vault("whole")

    with pytest.raises(CommandError, match=r"of destination 'alpha' cannot be read\. Likewise: beta, gamma\."):
        call_command("rotatesecrets")


def test_a_rotation_that_was_broken_off_is_finished_by_the_next(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.BACKUP_SECRETS_KEY = [OLD]
    rows = [vault(name) for name in ("alpha", "beta", "gamma")]
    settings.BACKUP_SECRETS_KEY = [NEW, OLD]
    save = BackupDestination.save

    def save_one(self: BackupDestination, **fields: Any) -> None:
        if self.name == "beta":
            raise KeyboardInterrupt
        save(self, **fields)

    with monkeypatch.context() as patch, pytest.raises(Error) as ended:
        patch.setattr(BackupDestination, "save", save_one)
        call_command("rotatesecrets")
    assert ended.value.returncode == 128 + SIGINT
    for row in rows:
        row.refresh_from_db()
        assert row.options()["password"] == PASSWORD

    call_command("rotatesecrets")
    settings.BACKUP_SECRETS_KEY = [NEW]
    for row in rows:
        row.refresh_from_db()
        assert row.options()["password"] == PASSWORD
