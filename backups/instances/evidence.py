"""Deciding whether a process on this machine belongs to an instance."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backups.instances import Instance
from backups.instances.process_scan import Process, base
from backups.lib.paths import identity_of


@dataclass(frozen=True, slots=True)
class Evidence:
    """How sure it is that a process belongs to an instance.

    `certain` when it writes into the databases of the instance or was started with its configuration, `likely` when its
    working directory is in the root of the instance.
    """

    certain: bool
    likely: bool


def evidence_of(process: Process, instance: Instance, databases: Sequence[Path]) -> Evidence:
    """Return whether `process` belongs to `instance`, whose `databases` are paths without links."""
    service = instance.service
    values = [argument.rpartition("=")[2] for argument in process.arguments]
    named = [value for value in values if service.config and base(value) == base(service.config)]
    if service.config_is_url:
        configured = service.config in named
    else:
        config = identity_of(Path(service.config))
        configured = config is not None and any(identity_of(process.seen(value)) == config for value in named)
    # the server of another instance may have a database of this one open
    has_another = not configured and any(identity_of(process.seen(value)) for value in named)
    files = {identity for path in databases if (identity := identity_of(path))}
    writes = any(file.identity in files and not file.deleted for file in process.files)
    # everything but writing could be faked by any user of this machine, in order to stop backups
    paths = [*service.root.allowed, *databases, *(path.parent for path in databases)]
    if service.config and not service.config_is_url:
        paths.append(Path(service.config))
    trusted = {0, os.geteuid()} | {path.stat().st_uid for path in paths if identity_of(path)}
    if has_another or not (writes or process.users <= trusted):
        return Evidence(certain=False, likely=False)
    works_there = any(process.folder.is_relative_to(folder) for folder in folders_of(instance))
    return Evidence(writes or configured, works_there)


def folders_of(instance: Instance) -> set[Path]:
    """Return the folders in which a process of `instance` may work: as it sees them, and as this host does."""
    root = instance.service.root
    # every process works somewhere below "/"
    return {root.folder, *root.allowed, *(folder.resolve() for folder in root.allowed)} - {Path("/")}
