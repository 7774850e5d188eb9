from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.models import BackupExecution
from destinations.models import BackupDestination
from tests.support.archives.age_files import IDENTITY, RECIPIENT, identity_file
from tests.support.call_commands import Ended, command

SITE = '[site]\nkind = "backupsite"\n'
RestoreSite = Callable[..., Ended]


@pytest.fixture
def own_site(home: Path, declare: Callable[[str], None], settings: Settings, destination: BackupDestination) -> Path:
    """Return the home of a site that backs itself up, encrypted for an identity that it does not have."""
    settings.BACKUPSITE_HOME = home
    keys = {
        "secret_key": settings.SECRET_KEY,
        "secrets_key": settings.BACKUP_SECRETS_KEY[0],
        "signing.key": settings.BACKUP_SIGNING_KEY,
    }
    settings.BACKUP_SITE_KEY_FILES = [home / name for name in keys]
    for name, text in keys.items():
        (home / name).write_text(f"{text}\n")
    settings.BACKUP_ENCRYPTION_RECIPIENTS = [RECIPIENT]
    declare(SITE)
    return home


@pytest.fixture
def archive(own_site: Path, back_up: Callable[..., BackupExecution]) -> Path:
    """Return the archive file of a backup of the site."""
    return own_site / "backups" / "nas" / back_up("site").backup_path


@pytest.fixture
def restore_site(tmp_path: Path) -> RestoreSite:
    """Return a function that runs the command with the identity of the archives."""
    path = identity_file(tmp_path, IDENTITY)
    path.chmod(0o600)
    return lambda archive, *options: command("restoresite", archive, "--identity", path, *options)
