"""A canary in every place where a secret may be; then everything that the program wrote is searched for it."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django_q.tasks import async_task
from pytest_django import Settings

from backups.archive.errors import ArchiveError
from backups.archive.minisign import SigningKey
from backups.errors import BackupError
from backups.models import BackupExecution, RestoreExecution
from backups.service.drill.run import verify_backup
from backups.service.keys.check import check_keys
from backups.worker import tick as housekeeping
from destinations.backends import TYPES
from destinations.backends.local import LocalDestination
from destinations.exceptions import DestinationError
from destinations.lib.operator_error import OperatorError
from destinations.models import BackupDestination
from tests.support.call_commands import command
from tests.support.restores.instance_restores import restore
from tests.support.secret_destination import VaultDestination
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db(transaction=True)

CANARIES = {
    "the passphrase of the site": "canary-one-2b7d passphrase",
    "an old passphrase": "canary-two-94aa passphrase",
    "the passphrase of the service": "canary-three-0c31",
    "a password in the configuration of the service": "canary-four-77fe",
    "the password of a destination": "canary-five-5e12",
    "the key of a destination": "-----BEGIN CANARY-----\ncanary-six-3d90\n-----END CANARY-----",
    "what a hook printed": "canary-seven-b4c8",
    "the password in a URL": "canary-eight-61d2",
    "a key of SECRET_KEY_FALLBACKS": "canary-nine-f00d-f00d",
}
INSTANCE = """\
[tacacs-hq]
kind = "tacacs"
root = "{root}"
config = "config/tacacs.conf"
[tacacs-hq.hooks]
after_backup = ["sh", "-c", "echo token={hook}; echo {passphrase}; echo https://bob:{url}@example.org; exit 3"]
"""
LDAP = "\n[ldap]\nserver = ldap.example.org\nbase_dn = dc=example\nbind_password = {password}\n"


@pytest.fixture
def planted(
    tacacs_root: Path,
    declare: Callable[[str], None],
    settings: Settings,
    destination: BackupDestination,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[None]:
    values = list(CANARIES.values())
    settings.BACKUP_ENCRYPTION_PASSPHRASE, settings.BACKUP_ENCRYPTION_OLD_PASSPHRASES = values[0], [values[1]]
    settings.SECRET_KEY_FALLBACKS = [values[8]]
    settings.BACKUP_SIGNING_KEY = SigningKey.generate().file_text
    settings.BACKUP_SECRETS_KEY = [Fernet.generate_key().decode()]
    config = tacacs_root / "config" / "tacacs.conf"
    text = config.read_text().replace("encryption_passphrase = \n", f"encryption_passphrase = {values[2]}\n")
    section = "[ldap]\n" if "[ldap]\n" in text else ""
    text = text.replace(section, f"{section}bind_secret = {values[3]}\n") if section else text
    config.write_text(text if section else text + LDAP.format(password=values[3]))
    declare(INSTANCE.format(root=tacacs_root, hook=values[6], passphrase=values[0], url=values[7]))
    monkeypatch.setitem(TYPES, "vault", VaultDestination)
    destination.type = "vault"
    destination.configure({"password": values[4], "key": values[5]})
    destination.save()
    yield


def secrets(settings: Settings) -> dict[str, str]:
    """Return each secret, several lines of it one by one."""
    known = CANARIES | {
        "the signing key": settings.BACKUP_SIGNING_KEY.splitlines()[1],
        "the key that seals": settings.BACKUP_SECRETS_KEY[0],
        "SECRET_KEY": settings.SECRET_KEY,
    }
    return {
        f"{name}, line {number}": line
        for name, text in known.items()
        for number, line in enumerate(text.splitlines(), 1)
        if "CANARY" not in line
    }


def database() -> str:
    with closing(sqlite3.connect(connection.settings_dict["NAME"])) as dumped:
        return "\n".join(dumped.iterdump())


def fail_with_everything(settings: Settings, monkeypatch: pytest.MonkeyPatch, back_up: BackUp) -> None:
    """Let a backend raise what libraries do: texts that hold passwords, as errors foreseen and not."""
    unknown = ("a password in the configuration", "what a hook", "the password in a URL")
    known = [value for name, value in secrets(settings).items() if not name.startswith(unknown)]
    everything = " ".join([*known, f"https://bob:{CANARIES['the password in a URL']}@example.org"])
    for error in (DestinationError(f"530 login failed: {everything}", everything), ValueError(everything)):

        def fail(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(LocalDestination, "put", fail)
            with suppress(OperatorError):
                back_up()
    monkeypatch.setattr(housekeeping, "STEPS", [lambda _: (_ for _ in ()).throw(BackupError(everything))])
    with suppress(BackupError):
        async_task("backups.worker.tick.tick", "backups", sync=True)


def pages(client: Client, execution: BackupExecution) -> str:
    """Return every page that shows something of it, one behind the other."""
    restored = RestoreExecution.objects.get()
    names = ("backups/backupexecution", "backups/restoreexecution", "destinations/backupdestination")
    backups, restores, places = (f"/admin/{name}/" for name in names)
    (destination,) = BackupDestination.objects.values_list("pk", flat=True)
    addresses = [
        "/admin/", backups, restores, places, "/admin/backups/keys/", f"{backups}{execution.pk}/restore/",
        f"{restores}{restored.pk}/change/", f"{places}{destination}/change/", f"{places}{destination}/history/",
        *(f"{backups}{pk}/change/" for pk in BackupExecution.objects.values_list("pk", flat=True)),
    ]  # fmt: skip
    answers = [client.get(address) for address in addresses]
    assert [answer.status_code for answer in answers] == [200] * len(addresses)
    return "\n".join(answer.content.decode() for answer in answers)


def printed(execution: BackupExecution) -> str:
    """Return what the commands print, with `--json` and without."""
    asked: list[tuple[Any, ...]] = [
        ("listbackups",), ("showbackup", execution.pk), ("verifybackup", execution.pk), ("restore", execution.pk),
        ("checkkeys",), ("listrestores",), ("testdestination", "nas"),
    ]  # fmt: skip
    endings = [command(*words, *json_) for words in asked for json_ in ((), ("--json",))]
    endings.append(command("recoverykit", "tacacs-hq"))
    return "\n".join(f"{ended.out} {ended.err}" for ended in endings)


def test_no_secret_is_in_anything_that_the_program_wrote(
    planted: None,
    settings: Settings,
    back_up: BackUp,
    tacacs_root: Path,
    destination: BackupDestination,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    log = Path(settings.LOG_FILE)
    begin = log.stat().st_size if log.exists() else 0
    execution = back_up()
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    restore(execution, "tacacs-hq")
    config = tacacs_root / "config" / "tacacs.conf"
    changed = config.read_text().replace(CANARIES["a password in the configuration of the service"], "canary-changed")
    config.write_text(changed)
    fail_with_everything(settings, monkeypatch, back_up)
    with suppress(ArchiveError):
        settings.BACKUP_ENCRYPTION_PASSPHRASE = "canary-ten-wrong"
        verify_backup(execution, by="tests")
    check_keys(destination)
    settings.BACKUP_ENCRYPTION_PASSPHRASE = CANARIES["the passphrase of the site"]

    written = {
        "pages": pages(client, execution),
        "output of commands": printed(execution),
        "database": database(),
        "log": log.read_bytes()[begin:].decode(),
        "terminal": "".join(capfd.readouterr()),
    }

    assert "530 login failed" in written["database"]
    assert "Traceback" in written["log"]
    assert "••••••" in written["pages"], "the changed password is in no diff: is it shown at all?"
    assert all(len(text) > 500 for name, text in written.items() if name != "terminal")
    leaks = [
        f"{secret} in {where}"
        for where, text in written.items()
        for secret, value in secrets(settings).items()
        if value in text or json.dumps(value)[1:-1] in text
    ]
    assert leaks == []
    for where, text in written.items():
        assert "canary" not in text, where
