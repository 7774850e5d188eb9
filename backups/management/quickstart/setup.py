"""What `quickstart` makes when it is not there yet: instances, a destination, a person, a backup."""

import os
import secrets
import shutil
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection

from backups.errors import BackupError
from backups.instances import Inventory, instance_names, inventory, read_inventory
from backups.models import BackupExecution
from backups.service.backup.run import backup_now
from backups.service.drill.run import verify_execution
from destinations.models import BackupDestination

DEMO = Path("tests/data/instance")
DEMO_INSTANCES = """\
# The demo instance. Describe your own services here: docs/instances.md
[tacacs-demo]
kind = "tacacs"
root = "{root}"
config = "config/tacacs.conf"
"""


def migrate_if_empty() -> None:
    """Make the tables where there are none at all: a new site on which only an archive survived."""
    if not connection.introspection.table_names():
        call_command("migrate", verbosity=0)


def provide_instances(given: Path | None) -> str:
    """Make the instances file when it is absent: from `given`, or with a copy of the demo instance.

    Raises BackupError when `given` would replace another file, or when the file has mistakes.
    """
    target = Path(settings.BACKUP_INSTANCES_FILE)
    if given is not None:
        said = _take(given, target)
    elif target.exists():
        said = f"instances   {target}"
    else:
        said = _demo(target)
    _require_sound(inventory(), target)
    return said


def _require_sound(found: Inventory, path: Path) -> None:
    if found.problems:
        raise BackupError(str(found.problems[0]), hint=found.problems[0].hint or f"correct {path}")
    if not found.instances:
        raise BackupError(f"{path} describes no instance", hint="see docs/instances.md")


def _take(given: Path, target: Path) -> str:
    try:
        content = given.read_bytes()
    except OSError as error:
        raise BackupError(f"{given} cannot be read: {error.strerror}", hint="correct --instances") from error
    _require_sound(read_inventory(given), given)
    if target.exists() and target.read_bytes() != content:
        raise BackupError(f"{target} exists and is another file than {given}", hint="edit or remove it, then run again")
    _write_private(target, content)
    return f"instances   {target}, from {given}"


def _demo(target: Path) -> str:
    root = Path(settings.BACKUPSITE_HOME) / "demo"
    if not root.exists():
        draft = root.with_name("demo.part")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(Path(settings.BASE_DIR) / DEMO, draft)
        draft.chmod(0o700)
        draft.rename(root)
    _write_private(target, DEMO_INSTANCES.format(root=root).encode())
    return f"instances   {target}, with a copy of the demo instance in {root}"


def _write_private(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    draft.replace(path)


def provide_destination() -> tuple[BackupDestination, str]:
    """Return an enabled destination, made below BACKUP_ROOT when there is none."""
    destination = BackupDestination.objects.enabled().order_by("created_at").first()
    if destination is None:
        Path(settings.BACKUP_ROOT).mkdir(mode=0o700, parents=True, exist_ok=True)
        destination = BackupDestination(name="local", type="local", created_by="quickstart")
        destination.configure({})
        destination.save()
    with destination.open() as opened:
        opened.test()
    return destination, f"destination {destination.name} ({destination.type}), tested"


def provide_admin() -> str:
    """Make the user `admin` with a random password when there is no superuser yet. The password is said once."""
    users = get_user_model().objects
    if users.filter(is_superuser=True).exists():
        return "admin user  exists already"
    password = secrets.token_urlsafe(12)
    users.create_superuser(username="admin", email="", password=password)
    return f"admin user  admin\npassword    {password}"


def first_backups(destination: BackupDestination, by: str) -> list[str]:
    """Back up and verify every instance that has no backup yet."""
    said = []
    for name in instance_names():
        if BackupExecution.objects.of_instance(name).completed().exists():
            continue
        execution = backup_now(name, destination, by=by, comment="first backup, by quickstart")
        verify_execution(execution, by=by)
        said.append(f"backup      {name}: {execution.backup_path}, verified")
    return said
