"""The instances of this site, read from instances.toml and validated. Needs no database."""

import copy
import functools
import os
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from backups.errors import InstanceError
from backups.instances.kinds import KINDS
from backups.instances.parse import Instance, Problem, parse
from destinations.lib import secret_names

__all__ = [
    "Instance",
    "Inventory",
    "Problem",
    "get_instance",
    "instance_names",
    "inventory",
    "is_settled",
    "read_inventory",
]

# a file that is copied here over a slow line, or saved by an editor, may be whole in its syntax and lack its end
SETTLED_SECONDS = 10.0
HINT = "Run `manage.py check` to list every mistake in the file."


@dataclass(frozen=True)
class Inventory:
    """The valid instances of the file, and the problems of the others."""

    instances: Mapping[str, Instance]
    problems: tuple[Problem, ...]

    @property
    def file_problem(self) -> Problem | None:
        """What is wrong with the file as a whole. While something is, it is not known what the file describes."""
        return next((problem for problem in self.problems if not problem.instance), None)

    @functools.cached_property
    def queues(self) -> dict[str, str]:
        """Return the queue that each instance names, also one with a mistake; an empty one where it names none."""
        named = {problem.instance: problem.queue for problem in self.problems if problem.instance}
        return named | {name: instance.queue for name, instance in self.instances.items()}

    @property
    def labels(self) -> list[str]:
        return sorted({label for instance in self.instances.values() for label in instance.labels})


def inventory() -> Inventory:
    """Return the instances of the file as it is now; a changed file is read again. Raises nothing."""
    declared = getattr(settings, "BACKUP_INSTANCES", None)
    if declared is not None:
        return _declared(declared)
    path = Path(settings.BACKUP_INSTANCES_FILE)
    try:
        stat = path.stat()
    except FileNotFoundError:
        problem = Problem(
            "", "", f"The instances file {path} does not exist.", "Create it, see docs/instances.md.", missing=True
        )
        return Inventory({}, (problem,))
    except OSError as error:
        return _unreadable(path, error)
    # cached per set of kinds: the file may have been read before the app of one of them was ready
    return _read(path, (stat.st_mtime_ns, stat.st_size, stat.st_ino), tuple(KINDS))


def is_settled() -> bool:
    """Return whether what the file does not describe is gone: not while it has a problem, or is being written."""
    if inventory().file_problem is not None:
        return False
    if getattr(settings, "BACKUP_INSTANCES", None) is not None:
        return True
    try:
        age = time.time() - Path(settings.BACKUP_INSTANCES_FILE).stat().st_mtime
    except OSError:
        return False
    # of a file that was written while a clock was ahead nothing is known for as long
    return not 0 <= age < SETTLED_SECONDS


# the tables that were parsed last, with the kinds of that time, and what is in them
_last: tuple[Any, Inventory] | None = None


def _declared(tables: Mapping[str, Any]) -> Inventory:
    """Return the instances of the setting; like the file it is read again when it has changed."""
    global _last
    last = _last
    if last is None or last[0] != (tables, tuple(KINDS)):
        _last = last = (copy.deepcopy(tables), tuple(KINDS)), _parsed(tables)
    return last[1]


@functools.lru_cache(maxsize=4)
def _read(path: Path, _version: tuple[int, int, int], _kinds: tuple[str, ...]) -> Inventory:
    return read_inventory(path)


def read_inventory(path: Path) -> Inventory:
    """Return the instances of the file `path`. Raises nothing."""
    try:
        return _parsed(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except (OSError, UnicodeDecodeError) as error:
        return _unreadable(path, error)
    except tomllib.TOMLDecodeError as error:
        problem = Problem(
            "", "", f"{path} is not valid TOML: {error}.", "Defining a table or key twice is an error too."
        )
        return Inventory({}, (problem,))


def _unreadable(path: Path, error: Exception) -> Inventory:
    reason = str(error)
    if isinstance(error, OSError) and error.errno:
        reason = os.strerror(error.errno)
    elif isinstance(error, UnicodeDecodeError):
        # Python's message quotes the text
        reason = f"byte {error.start} is not UTF-8"
    return Inventory({}, (Problem("", "", f"{path} cannot be read: {reason}.", "It must be a UTF-8 text file."),))


def _parsed(tables: Mapping[str, Any]) -> Inventory:
    instances, problems = parse(tables)
    # errors, logs and the output of hooks are of no instance: a name that is secret for one is secret for all
    secret_names.declare(name for instance in instances.values() for name in instance.secrets)
    return Inventory(instances, problems)


def instance_names() -> list[str]:
    return sorted(inventory().instances)


def get_instance(name: str) -> Instance:
    """Return the instance called `name`.

    Raises InstanceError when there is none, or when its table has a mistake.
    """
    known = inventory()
    if instance := known.instances.get(name):
        return instance
    for problem in known.problems:
        if problem.instance in (name, ""):
            raise InstanceError(str(problem), hint=problem.hint or HINT)
    names = ", ".join(sorted(known.instances)) or "none"
    raise InstanceError(
        f"There is no instance {name!r} (known: {names}).", hint=f"Add it to {settings.BACKUP_INSTANCES_FILE}."
    )
