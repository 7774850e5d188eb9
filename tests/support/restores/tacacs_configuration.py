"""The configuration of a TACACS+ server: its file and its overrides."""

from pathlib import Path

import pytest

from backups.errors import BackupError
from backups.instances import get_instance
from backups.instances.kinds.layers import Configuration
from backups.models import BackupExecution, RestoreExecution
from tests.support.restores.component_restores import restore

OVERRIDE = (
    "INSERT INTO config_overrides (section, key, value, value_type, created_by, active)"
    " VALUES ('{}', '{}', '{}', 'string', 'bob', 1)"
)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_bytes().decode()
    assert old in text
    path.write_bytes(text.replace(old, new).encode())


def live() -> Configuration:
    return get_instance("tacacs-hq").service.live().merged


def failure(backup: BackupExecution, *components: str, **options: bool) -> BackupError:
    """Return why the restore failed; its row says the same."""
    with pytest.raises(BackupError) as failed:
        restore(backup, *components, **options)
    row = RestoreExecution.objects.latest("created_at")
    assert row.status == "failed"
    assert row.error_message.startswith(failed.value.message)
    assert "nothing was changed" in row.error_message.lower()
    return failed.value
