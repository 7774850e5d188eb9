"""Options of the command `restore` that cannot be meant."""

from pathlib import Path
from typing import Any

from backups.errors import BackupError
from destinations.lib.formats import listed

CHOICES = ("component", "instance", "to", "force_invalid_config", "other_instance", "accept_unsigned")
# what goes alone, with the choices that mean nothing beside it
ALONE = {
    "undo": (CHOICES, "an undo brings back exactly what that restore touched; to choose, restore its safety backup"),
    "acknowledge": ((*CHOICES, "dry_run"), "acknowledge first, then do the other"),
    "cancel": ((*CHOICES, "dry_run"), "cancel first, then do the other"),
}


def refuse_contradictions(**options: Any) -> None:
    """Raise BackupError for options that would be passed over: nobody shall believe that they were heard."""
    given = options | {"component": options["components"]}
    for name, (choices, hint) in ALONE.items():
        unheard = [f"--{choice.replace('_', '-')}" for choice in choices if given[choice]]
        if options[name] and unheard:
            raise BackupError(f"--{name} and {listed(unheard)} do not go together", hint=hint)
    if options["queue"] and not options["confirm"]:
        raise BackupError("--queue goes with --confirm only", hint="a worker restores, and shows no preview")
    if options["queue"] and options["file"]:
        raise BackupError(
            "--queue and --file do not go together", hint="the worker may not see that file: `importarchive` it first"
        )


def require_file(path: Path) -> None:
    """Raise BackupError for what is no file: a pipe would be waited for, and be empty at the second look."""
    if not path.exists():
        raise BackupError(f"{path} does not exist", hint="check the path")
    if not path.is_file():
        raise BackupError(f"{path} is not a file", hint="give the path of an archive")
