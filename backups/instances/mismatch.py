"""Databases that a running service keeps elsewhere than its configuration says: what is backed up is not what it uses.

A variable in the environment of a service may move a database, and so does a configuration that was changed, or a
file that was replaced, while the service runs on. What cannot be seen from here is not claimed.
"""

import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from django.conf import settings

from backups.components import Component
from backups.errors import BackupError, ComponentError
from backups.instances import Instance
from backups.instances.evidence import Evidence, Identity, evidence_of, identity_of
from backups.instances.kinds import components_of
from backups.instances.kinds.base import DatabaseSource, LiveConfiguration
from backups.instances.kinds.layers import CONFIG, Configuration
from backups.lib.environment_file import variables_in
from backups.lib.proc import Interest, OpenFile, Process, base, processes
from backups.lib.site_paths import NO_PLACES
from destinations.lib.formats import printable
from destinations.lib.operator_error import sentences
from destinations.lib.redaction import redact

LONGEST_SHOWN = 200
# what stands behind the name of a file that was moved aside
RENAMED = re.compile(r"~|[._-](old|orig|bak|backup|save|saved|prev|broken|corrupt|\d{1,14}).*")
LOCK_TIMEOUT = 1.0
SECONDS_OF_A_CHECK = 1.0
RESTART = "restart the service, so that it opens what is there now"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """`certain` where it is sure that the service uses another file than this site would."""

    component: str
    message: str
    hint: str
    certain: bool

    def __str__(self) -> str:
        return printable(redact(f"{self.component}: {self.message}"))


@dataclass(frozen=True, slots=True)
class Database:
    """A database as this site looks for it, and how its service finds it.

    `in_use` unless it lies there only after the restore.
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
        return {self.path.name, self.live.name, self.source.usual} - {""}

    @property
    def hint(self) -> str:
        where = f"{self.source.key} in its configuration file or as an override, or " if self.source.key else ""
        return f"set {where}{self.source.setting} in the instances file, to the file that is meant"


def require_agreement(found: Iterable[Mismatch], *, only: Collection[str] | None = None) -> list[str]:
    """Return `found` as warnings. Raises BackupError for what is certain, of the components `only` if given."""
    found = list(found)
    certain = [one for one in found if one.certain and (only is None or one.component in only)]
    if certain:
        raise BackupError(sentences(*map(str, certain)), hint=certain[0].hint)
    return [f"{one} ({one.hint})" for one in found]


def mismatches(
    instance: Instance,
    parts: Sequence[Component],
    live: LiveConfiguration | None = None,
    configuration: Configuration | None = None,
) -> list[Mismatch]:
    """Look at the processes and the environment of `instance`, and hold them against its components `parts`.

    `live` is its configuration where that is read already, `configuration` the one that will be in force, the live
    one by default. Nothing is raised.
    """
    live = live or instance.service.live(lock_timeout=LOCK_TIMEOUT)
    databases = databases_of(instance, parts, live, configuration)
    return found_in(instance, databases, processes(interest_of([(instance, databases)]))) if databases else []


def mismatches_of(known: Iterable[tuple[Instance, Sequence[Component]]]) -> list[tuple[str, Mismatch]]:
    """Return those of several instances, each with its name, after one look at the processes."""
    databases = [
        (instance, databases_of(instance, parts, instance.service.live(lock_timeout=LOCK_TIMEOUT)))
        for instance, parts in known
    ]
    running = processes(interest_of(databases), seconds=SECONDS_OF_A_CHECK) if databases else []
    return [(instance.name, one) for instance, mine in databases for one in found_in(instance, mine, running)]


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
    with suppress(ComponentError):  # how it is now cannot be told
        now = live.merged
        in_use = {path for part in components_of(service, now, own=NO_PLACES) for path in part.databases()}
    named = configuration or now
    return [
        replace(one, source=service.database_source(one.component, named), in_use=one.path in in_use)
        for one in databases
    ]


def interest_of(known: Sequence[tuple[Instance, Sequence[Database]]]) -> Interest:
    every = [database for _, databases in known for database in databases]
    return Interest(
        roots=frozenset(root for instance, _ in known for root in (instance.root, instance.root.resolve())),
        files=frozenset(name for database in every for name in database.names),
        arguments=frozenset(base(instance.service.config) for instance, _ in known if instance.service.config),
        variables=frozenset(database.source.variable for database in every if database.source.variable),
    )


def found_in(instance: Instance, databases: Sequence[Database], running: Iterable[Process]) -> list[Mismatch]:
    """Return at most one mismatch for each database, a certain one first."""
    paths = [database.live for database in databases]
    files = set(map(identity_of, paths))
    found = [*_in_environment_file(instance, databases)]
    for process in running:
        evidence = evidence_of(process, instance, paths)
        others = [file for file in process.files if file.deleted or _is_foreign(file, files)]
        found += [one for database in databases for one in _compared(process, database, others, evidence)]
    found.sort(key=lambda one: not one.certain)
    return list({one.component: one for one in reversed(found)}.values())[::-1]


def _is_foreign(file: OpenFile, files: Collection[Identity | None]) -> bool:
    """True for what is neither a database of the instance nor a copy that a run of this site works on."""
    return file.identity not in files and not file.path.is_relative_to(settings.BACKUP_WORKSPACE_ROOT)


def _compared(
    process: Process, database: Database, others: Sequence[OpenFile], evidence: Evidence
) -> Iterator[Mismatch]:
    if database.source.variable and (value := process.environment.get(database.source.variable)):
        yield from _moved_by_variable(process, database, value, evidence)
    has_it = any(file.identity == database.identity for file in process.files)
    for file in others if database.in_use else ():
        if file.deleted:
            yield from _replaced(process, database, file, evidence)
        elif not has_it:
            yield from _elsewhere(process, database, file, evidence)


def _moved_by_variable(process: Process, database: Database, value: str, evidence: Evidence) -> Iterator[Mismatch]:
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
    """Another file of that name; or, in the same folder, one whose name begins with it: the old file, renamed."""
    live = database.live
    renamed = file.path.parent == live.parent and RENAMED.fullmatch(file.path.name.removeprefix(live.name)) is not None
    called_so = (
        bool(database.source.usual) and file.path.name in database.names and (evidence.certain or evidence.likely)
    )
    if not (renamed or called_so):
        return
    certain = bool(database.source.usual) and evidence.certain and not renamed and not database.source.stated
    message = f"{process} has {file.path} open, and not {database.path}"
    hint = f"{database.hint}; or {RESTART}" if database.source.usual else RESTART
    yield Mismatch(database.component, message, hint, certain)


def _replaced(process: Process, database: Database, file: OpenFile, evidence: Evidence) -> Iterator[Mismatch]:
    live = database.live
    device = identity_of(live.parent)
    if file.path.name not in (live.name, f"{live.name}-wal") or not device or file.info.st_dev != device[0]:
        return
    if file.path.parent == live.parent or evidence.certain:
        message = (
            f"{process} still writes to a {file.path.name} that was removed or replaced; {live} is another file now"
        )
        yield Mismatch(database.component, message, RESTART, certain=False)


def _in_environment_file(instance: Instance, databases: Sequence[Database]) -> Iterator[Mismatch]:
    if (path := instance.service.environment_file) is None:
        return
    try:
        variables = variables_in(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "it is not UTF-8"
        message = f"the environment file {path} cannot be read, so that it cannot be told which databases it moves"
        yield Mismatch(CONFIG, f"{message}: {reason}", "correct environment_file, or its permissions", certain=False)
        return
    for database in databases:
        if not (database.source.variable and (value := variables.get(database.source.variable))):
            continue
        there = identity_of(instance.root / value)
        if not _is_same(there, instance.root / value, database):
            # of a path that is not there it is not known whether it is one in a container
            certain = there is not None and not database.source.stated
            name = database.source.variable
            message = f"{path} starts the server with {name}={_short(value)}, which is not {database.path}"
            yield Mismatch(database.component, message, database.hint, certain)
