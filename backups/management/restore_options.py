"""Contradicting options of the command `restore`, which are refused."""

from pathlib import Path
from typing import Any

from backups.errors import BackupError
from destinations.lib.formats import listed

CHOICES = ("component", "instance", "to", "force_invalid_config", "other_instance", "accept_unsigned")
# options that exclude others, and the hint
EXCLUSIVE = {
    "undo": (CHOICES, "An undo restores exactly what that restore replaced. To choose, restore its safety backup."),
    "acknowledge": ((*CHOICES, "dry_run"), "Acknowledge first, then run the other command."),
    "cancel": ((*CHOICES, "dry_run"), "Cancel first, then run the other command."),
}


def refuse_contradictions(**options: Any) -> None:
    """Raise BackupError for options that would have no effect beside others."""
    given = options | {"component": options["components"]}
    for name, (choices, hint) in EXCLUSIVE.items():
        excluded = [f"--{choice.replace('_', '-')}" for choice in choices if given[choice]]
        if options[name] and excluded:
            raise BackupError(f"--{name} and {listed(excluded)} do not go together.", hint=hint)
    if options["queue"] and not options["confirm"]:
        raise BackupError("--queue needs --confirm.", hint="A worker restores, and shows no preview.")
    if options["queue"] and options["file"]:
        raise BackupError(
            "--queue and --file do not go together.",
            hint="The worker may be on another host: `importarchive` the file.",
        )


def require_file(path: Path) -> None:
    """Raise BackupError when `path` is not a regular file."""
    if not path.exists():
        raise BackupError(f"{path} does not exist.", hint="Check the path.")
    # an archive is read twice, which a pipe cannot be
    if not path.is_file():
        raise BackupError(f"{path} is not a file.", hint="Give the path of an archive.")
