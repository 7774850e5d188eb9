"""Whether a process that runs on this machine belongs to an instance."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backups.instances import Instance
from backups.lib.proc import Process, base

Identity = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Evidence:
    """`certain` when a process writes into the databases of the instance or was given its configuration, `likely` when
    it works in its folder."""

    certain: bool
    likely: bool


def evidence_of(process: Process, instance: Instance, databases: Sequence[Path]) -> Evidence:
    """Return what ties `process` to `instance`, whose databases are `databases` with links followed."""
    values = [argument.rpartition("=")[2] for argument in process.arguments]
    named = [value for value in values if instance.service.config and base(value) == base(instance.service.config)]
    configured = any(_is_configuration(process, value, instance) for value in named)
    # the server of another instance may share a database with this one
    has_another = not configured and any(identity_of(process.seen(value)) for value in named)
    files = {identity for path in databases if (identity := identity_of(path))}
    writes = any(file.identity in files and not file.deleted for file in process.files)
    # but for writing, everything here is what any user of this machine could bring about, to stop backups
    if has_another or not (writes or process.users <= _users_of(instance, databases)):
        return Evidence(certain=False, likely=False)
    works_there = any(process.folder.is_relative_to(root) for root in (instance.root, instance.root.resolve()))
    return Evidence(writes or configured, works_there)


def _is_configuration(process: Process, value: str, instance: Instance) -> bool:
    if instance.service.config_is_url:
        return value == instance.service.config
    return (identity := identity_of(process.seen(value))) is not None and identity == identity_of(
        Path(instance.service.config)
    )


def _users_of(instance: Instance, databases: Sequence[Path]) -> set[int]:
    """Return root, this user, and whoever owns files of the instance."""
    paths = [instance.root, *databases, *(path.parent for path in databases)]
    if instance.service.config and not instance.service.config_is_url:
        paths.append(Path(instance.service.config))
    return {0, os.geteuid()} | {path.stat().st_uid for path in paths if identity_of(path)}


def identity_of(path: Path) -> Identity | None:
    """Return by what a file is known whatever its name; None for one that is not there or out of reach."""
    try:
        info = path.stat()
    except (OSError, ValueError):
        return None
    return info.st_dev, info.st_ino
