"""An instance that lacks nothing: a sound, encrypted copy off this machine, keys that open it, and a passed drill."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from backups.models import BackupExecution, KeyCheck, KeyState
from destinations.models import BackupDestination
from tests.support.rows import a_copy, a_destination, a_drill, an_execution

# of the range for documentation: no machine has it
SFTP = {"host": "192.0.2.1", "username": "backup", "path": "/backups"}


def a_far_destination(name: str = "far") -> BackupDestination:
    """Return a destination off this machine whose keys were checked; it is never opened."""
    far = a_destination(name, type="sftp", config_json={**SFTP, "path": f"/{name}"})
    now = timezone.now()
    KeyCheck.objects.get_or_create(
        destination=far, defaults={"checked_at": now, "next_at": now + timedelta(days=1), "by_instance": {}}
    )
    return far


def protect(backup: BackupExecution) -> BackupExecution:
    """Give `backup` what makes its instance protected, as long as it is in time."""
    far = a_far_destination()
    a_copy(backup, far, encryption="age", recipients=["age1x"])
    check = KeyCheck.objects.get(destination=far)
    check.by_instance = {**(check.by_instance or {}), backup.instance: KeyState.OPENS.value}
    check.save()
    a_drill(backup, verdict="passed", seconds=12.5)
    return backup


def a_protected_backup(instance: str = "shop", **fields: Any) -> BackupExecution:
    return protect(an_execution(instance, **fields))
