"""Detecting that a running service uses another database file than its configuration names, which a backup would miss.

An environment variable may move a database, and a service that runs on keeps its old files after a change of the
configuration or the replacement of a file. Only what the process table and the environment show is reported.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from django.conf import settings

from backups.components import Component
from backups.errors import BackupError, ComponentError
from backups.instances import Instance
from backups.instances.evidence import Evidence, evidence_of, folders_of
from backups.instances.kinds import components_of
from backups.instances.kinds.base import DatabaseSource
from backups.instances.kinds.configuration import LiveConfiguration
from backups.instances.kinds.layers import CONFIG, Configuration
from backups.instances.process_scan import OpenFile, Process, ProcessFilter, base, processes
from backups.lib.paths import Identity, identity_of
from backups.lib.site_paths import NO_SITE_PATHS
from destinations.lib.formats import printable
from destinations.lib.operator_error import sentences
from destinations.lib.redaction import redact

LONGEST_SHOWN = 200
MOST_NAMED = 5
# suffix of a file that was moved aside
RENAMED = re.compile(r"~|[._-](old|orig|bak|backup|save|saved|prev|broken|corrupt|\d{1,14}).*")
LOCK_TIMEOUT = 1.0
SECONDS_OF_A_CHECK = 1.0
RESTART = "Restart the service, so that it opens the present file."


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A database file that the service uses, but this site does not back up; `certain` when there is no doubt."""

    component: str
    message: str
    hint: str
    certain: bool

    def __str__(self) -> str:
        return printable(redact(f"{self.component}: {self.message}"))


@dataclass(frozen=True, slots=True)
class Database:
    """A database at the path where this site expects it, and how its service finds it.

    `in_use` is False for a path that takes effect only with the restored configuration.
    """

    component: str
    path: Path
    source: DatabaseSource = field(default_factory=DatabaseSource)
    in_use: bool = True

    @property
    def live(self) -> Path:
        return self.path.resolve()

    @property
    def identity(self) -> Identity | None:
        return identity_of(self.live)

    @property
    def names(self) -> set[str]:
        return {self.path.name, self.live.name, self.source.default_name} - {""}

    @property
    def hint(self) -> str:
        where = f"{self.source.key} in its configuration file or as an override, or " if self.source.key else ""
        variable = "environment, " if self.source.variable else ""
        return f"Set {where}{variable}{self.source.setting} in the instances file, to the right file."


def require_no_mismatch(found: Iterable[Mismatch], *, only: Collection[str] | None = None) -> list[str]:
    """Return `found` as warnings. Raises BackupError for certain ones, of the components `only` if given."""
    found = list(found)
    certain = [one for one in found if one.certain and (only is None or one.component in only)]
    if certain:
        raise BackupError(sentences(*map(str, certain)), hint=certain[0].hint)
    return [sentences(str(one), one.hint) for one in found]


def mismatches(
    instance: Instance,
    parts: Sequence[Component],
    live: LiveConfiguration | None = None,
    configuration: Configuration | None = None,
) -> list[Mismatch]:
    """Compare the processes and the environment of `instance` with its components `parts`.

    `live` is its configuration if it has been read already, `configuration` the one that a restore brings into force,
    by default the live one. Raises nothing.
    """
    live = live or instance.service.live(lock_timeout=LOCK_TIMEOUT)
    databases = databases_of(instance, parts, live, configuration)
    return found_in(instance, databases, processes(interest_of([(instance, databases)])), live) if databases else []


def mismatches_by_instance(known: Iterable[tuple[Instance, Sequence[Component]]]) -> list[tuple[str, Mismatch]]:
    """Return the mismatches of several instances with their names; the process table is read once."""
    read = [(instance, parts, instance.service.live(lock_timeout=LOCK_TIMEOUT)) for instance, parts in known]
    databases = [(instance, databases_of(instance, parts, live), live) for instance, parts, live in read]
    interest = interest_of([(instance, mine) for instance, mine, _ in databases])
    running = processes(interest, seconds=SECONDS_OF_A_CHECK) if databases else []
    found = ((instance.name, found_in(instance, mine, running, live)) for instance, mine, live in databases)
    return [(name, one) for name, its in found for one in its]


def databases_of(
    instance: Instance,
    parts: Sequence[Component],
    live: LiveConfiguration,
    configuration: Configuration | None = None,
) -> list[Database]:
    databases = [Database(part.name, path) for part in parts for path in part.databases()]
    service = instance.service
    if not service.layers:
        return databases
    now: Configuration = {}
    in_use: set[Path] = set()
    with suppress(ComponentError):  # the live configuration cannot be read
        now = live.merged
        in_use = {path for part in components_of(service, now, own=NO_SITE_PATHS) for path in part.databases()}
    named = configuration or now
    return [
        replace(one, source=service.database_source(one.component, named), in_use=one.path in in_use)
        for one in databases
    ]


def interest_of(known: Sequence[tuple[Instance, Sequence[Database]]]) -> ProcessFilter:
    every = [database for _, databases in known for database in databases]
    return ProcessFilter(
        roots=frozenset(folder for instance, _ in known for folder in folders_of(instance)),
        files=frozenset(name for database in every for name in database.names),
        arguments=frozenset(base(instance.service.config) for instance, _ in known if instance.service.config),
        variables=frozenset(database.source.variable for database in every if database.source.variable),
    )


def found_in(
    instance: Instance, databases: Sequence[Database], running: Iterable[Process], live: LiveConfiguration
) -> list[Mismatch]:
    """Return at most one mismatch for each database, a certain one first."""
    paths = [database.live for database in databases]
    files = set(map(identity_of, paths))
    found: list[Mismatch] = []
    for process in running:
        evidence = evidence_of(process, instance, paths)
        if evidence.certain:
            found += _environment_differs(process, instance, databases, live)
        # neither a database of the instance nor a copy in a workspace of this site
        others = [
            file
            for file in process.files
            if file.deleted
            or (file.identity not in files and not file.path.is_relative_to(settings.BACKUP_WORKSPACE_ROOT))
        ]
        for database in databases:
            found += _moved_by_variable(process, database, evidence)
            has_it = any(file.identity == database.identity for file in process.files)
            for file in others if database.in_use else ():
                if file.deleted:
                    found += _replaced(process, database, file, evidence)
                elif not has_it:
                    found += _elsewhere(process, database, file, evidence)
    found.sort(key=lambda one: not one.certain)
    return list({one.component: one for one in reversed(found)}.values())[::-1]


def _moved_by_variable(process: Process, database: Database, evidence: Evidence) -> Iterator[Mismatch]:
    if not (database.source.variable and (value := process.environment.get(database.source.variable))):
        return
    there = identity_of(process.seen(value))
    if _is_same(there, process.folder / value, database):
        return
    if evidence.certain or evidence.likely:
        uses_it = any(file.identity == there for file in process.files)
        certain = there is not None and (evidence.certain or uses_it) and not database.source.stated
        message = f"{process} was started with {database.source.variable}={_short(value)}, which is not {database.path}"
        yield Mismatch(database.component, message, database.hint, certain)


def _short(value: str) -> str:
    return value if len(value) <= LONGEST_SHOWN else f"{value[:LONGEST_SHOWN]}..."


def _is_same(there: Identity | None, path: Path, database: Database) -> bool:
    return there == database.identity if there else database.path == path


def _elsewhere(process: Process, database: Database, file: OpenFile, evidence: Evidence) -> Iterator[Mismatch]:
    """Yield a mismatch when `file` has the name of the database, or is the old database under a new name beside it."""
    live, default_name = database.live, database.source.default_name
    renamed = file.path.parent == live.parent and RENAMED.fullmatch(file.path.name.removeprefix(live.name)) is not None
    has_name = bool(default_name) and file.path.name in database.names and (evidence.certain or evidence.likely)
    if not (renamed or has_name):
        return
    certain = bool(default_name) and evidence.certain and not renamed and not database.source.stated
    message = f"{process} has {file.path} open, and not {database.path}"
    hint = f"{database.hint} Or restart the service, so that it opens that file." if default_name else RESTART
    yield Mismatch(database.component, message, hint, certain)


def _replaced(process: Process, database: Database, file: OpenFile, evidence: Evidence) -> Iterator[Mismatch]:
    live = database.live
    device = identity_of(live.parent)
    if file.path.name not in (live.name, f"{live.name}-wal") or not device or file.info.st_dev != device[0]:
        return
    if file.path.parent == live.parent or evidence.certain:
        message = (
            f"{process} still writes into {file.path.name}, which was removed or replaced; {live} is another file now"
        )
        yield Mismatch(database.component, message, RESTART, certain=False)


def _environment_differs(
    process: Process, instance: Instance, databases: Sequence[Database], live: LiveConfiguration
) -> Iterator[Mismatch]:
    """Yield a mismatch for variables whose values differ from those that the instances file has for the service."""
    variables = instance.service.variables
    if not (variables and process.environment):
        return
    with suppress(ComponentError):  # the live configuration cannot be read
        layered = live.merged.set_by_layers
        stated = instance.service.environment.read(variables)
        # where the variable of a database leads to is compared apart
        compared = {one.source.variable for one in databases} & process.environment.keys()
        differing = [
            name
            for name, key in variables.items()
            if name not in compared and key not in layered and process.environment.get(name) != stated.get(name)
        ]
        if differing:
            names = ", ".join(differing[:MOST_NAMED]) + (" and more" if len(differing) > MOST_NAMED else "")
            # without the values, which may be secrets
            message = f"{process} was started with another environment than the instances file states: {names}"
            hint = "Set environment or environment_file to what the service has, or restart it."
            yield Mismatch(CONFIG, message, hint, certain=False)
