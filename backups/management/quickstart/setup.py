"""Steps of `quickstart`: provide instances, a destination and a user where there are none, and make first backups."""

import json
import os
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection

from backups.errors import BackupError
from backups.instances import Inventory, inventory, read_inventory
from backups.instances.kinds.backupsite.kind import ADVICE
from backups.management.roles import ROLES
from backups.models import BackupExecution
from backups.service.archives.openable import no_key_for
from backups.service.backup.run import backup_now
from backups.service.drill.run import verify_backup
from backups.service.keys.check import check_all
from destinations.lib.formats import counted, is_text
from destinations.models import BackupDestination

DEMO = Path("tests/data/instance")
DEMO_INSTANCES = """\
# The demo instance. Describe your own services here: docs/instances.md
[tacacs-demo]
kind = "tacacs"
root = {root}
config = "config/tacacs.conf"
"""


def migrate_if_empty() -> None:
    """Migrate a database without any table: a new site, where an archive is restored from a file."""
    if not connection.introspection.table_names():
        call_command("migrate", verbosity=0)


def provide_instances(given: Path | None) -> str:
    """Write the instances file when there is none: a copy of `given`, or with a demo instance. Return what was done.

    Raises BackupError when `given` would replace another file, or when the file has configuration errors.
    """
    target = Path(settings.BACKUP_INSTANCES_FILE)
    if given is not None:
        done = _copy(given, target)
    elif target.exists():
        done = f"instances   {target}"
    else:
        done = _write_demo(target)
    _require_valid(inventory(), target)
    return done


def advise() -> list[str]:
    """Return what is missing on a site that works: nothing backs up the site itself."""
    known = inventory().instances.values()
    return [] if any(one.service.is_this_site for one in known) else [f"advice      {ADVICE}"]


def _require_valid(found: Inventory, path: Path) -> None:
    if found.problems:
        raise BackupError(str(found.problems[0]), hint=found.problems[0].hint or f"Correct {path}.")
    if not found.instances:
        raise BackupError(f"{path} describes no instance.", hint="See docs/instances.md.")


def _copy(given: Path, target: Path) -> str:
    try:
        content = given.read_bytes()
    except OSError as error:
        raise BackupError(f"{given} cannot be read: {error.strerror}.", hint="Correct --instances.") from error
    # before it is copied: a file with errors would be in the way of every later command
    _require_valid(read_inventory(given), given)
    if target.exists() and target.read_bytes() != content:
        raise BackupError(
            f"{target} exists and is another file than {given}.", hint="Edit or remove it, then run the command again."
        )
    write_private(target, content)
    return f"instances   {target}, from {given}"


def _write_demo(target: Path) -> str:
    root = copy_demo()
    write_private(target, DEMO_INSTANCES.format(root=json.dumps(str(root))).encode())
    return f"instances   {target}, with a copy of the demo instance in {root}"


def copy_demo() -> Path:
    """Copy the demo instance, unless it is there, and return where it is."""
    root = Path(settings.BACKUPSITE_HOME) / "demo"
    if not is_text(str(root)):
        raise BackupError(
            f"The demo instance cannot be described: the path {root} is not UTF-8, and an instances file is.",
            hint="Choose another BACKUPSITE_HOME, or give an instances file with --instances.",
        )
    if not root.exists():
        # under another name until it is complete: a command that was killed copies it again
        draft = root.with_name("demo.part")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(Path(settings.BASE_DIR) / DEMO, draft)
        draft.chmod(0o700)
        draft.rename(root)
    return root


def write_private(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    # of a command that was killed
    draft.unlink(missing_ok=True)
    # the file may contain passphrases of services: never readable by others, not even while it is written
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    draft.replace(path)


def provide_destination() -> tuple[BackupDestination, str]:
    """Return a tested, enabled destination and what was done; add one below BACKUP_ROOT when there is none."""
    destination = BackupDestination.objects.enabled().order_by("created_at").first()
    if destination is None:
        destination = BackupDestination(name="local", type="local", created_by="quickstart")
        destination.configure({})
    result = destination.tested(user="quickstart")
    if result.failure is not None:
        raise result.failure
    if destination._state.adding:
        destination.save()
    result.save()
    return destination, f"destination {destination.name} ({destination.type}), tested"


def provide_admin() -> str:
    """Create the user `admin` when there is no superuser. Return its random password, which is stored nowhere."""
    users = get_user_model().objects
    if users.filter(is_superuser=True).exists():
        return "admin user  exists already"
    password = secrets.token_urlsafe(12)
    users.create_superuser(username="admin", email="", password=password)
    roles = ", ".join(name.removeprefix("Backup ") for name in ROLES)
    return f"admin user  admin\npassword    {password}\ngroups      Backup {roles}, for other users"


def check_keys() -> tuple[str, str]:
    """Try the keys on what lies at the destinations. Return what was found, and what is wrong."""
    report = check_all(BackupDestination.objects.all())
    if not (report.lost or report.unreachable):
        return f"keys        open what is encrypted: {counted(len(report.results), 'archive')} tried", ""
    problem = next(
        (f"No key opens {lost.backup.backup_filename} at {lost.backup.destination.name}." for lost in report.lost),
        next((f"{name} did not answer: {reason}" for name, reason in report.unreachable.items()), ""),
    )
    return f"keys        {problem}", problem


def first_backups(destination: BackupDestination, by: str, names: Iterable[str]) -> list[str]:
    """Back up each of `names` that has no backup yet, and verify it where a key opens it; return what was done."""
    done = []
    for name in names:
        if BackupExecution.objects.of_instance(name).completed().exists():
            continue
        backup = backup_now(name, destination, by=by, comment="first backup, by quickstart")
        found = "not verified: no key of this host opens it"
        if no_key_for(backup) is None:
            verify_backup(backup, by=by)
            found = "verified"
        done.append(f"backup      {name}: {backup.backup_path}, {found}")
    return done
