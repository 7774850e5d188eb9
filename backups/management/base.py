"""What the commands of this app share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from django.core.management.base import CommandParser
from django.db.models import QuerySet

from backups.errors import BackupError
from backups.models import BackupExecution, RestoreExecution, Run
from backups.runs.queue.once import AlreadyWaiting
from destinations.management.base import OperatorCommand
from destinations.models import BackupDestination

AnyRun = TypeVar("AnyRun", bound=Run)


class BackupCommand(OperatorCommand):
    """A command about backups and restores."""

    def find_execution(self, reference: str) -> BackupExecution:
        """Return the backup with this id, or with this unique beginning of one (8 characters or more)."""
        return _found(BackupExecution.objects.select_related("destination"), reference)

    def find_restore(self, reference: str) -> RestoreExecution:
        """Return the restore with this id, or with this unique beginning of one (8 characters or more)."""
        return _found(RestoreExecution.objects.select_related("execution", "safety_backup__destination"), reference)

    def find_destination(self, name: str | None) -> BackupDestination:
        """Return the destination called `name`; without a name, the only enabled one."""
        if name is not None:
            destination = BackupDestination.objects.filter(name=name).first()
            if destination is None:
                raise BackupError(f"there is no destination {name!r}", hint=f"known: {self._names() or 'none'}")
            return destination
        enabled = list(BackupDestination.objects.enabled()[:2])
        if len(enabled) != 1:
            problem = "several destinations are enabled" if enabled else "no destination is enabled"
            hint = f"name one with --destination: {self._names()}" if enabled else "make one with `adddestination`"
            raise BackupError(problem, hint=hint)
        return enabled[0]

    def respond_waiting(self, waiting: AlreadyWaiting, describe: Callable[[Any], dict[str, Any]]) -> None:
        """Say that nothing else was queued, and which run waits: what was asked for will be done."""
        run = waiting.run
        said = f"; {waiting.hint}" if waiting.hint else ""
        data = describe(run) | {"already_waiting": True, "note": waiting.hint}
        self.respond(data, f"waiting already as {run.pk}, asked for by {run.triggered_by}{said}")

    def _names(self) -> str:
        return ", ".join(BackupDestination.objects.values_list("name", flat=True))


def _found(runs: "QuerySet[AnyRun]", reference: str) -> AnyRun:
    found = list((runs.filter(pk__startswith=reference) if len(reference) >= 8 else runs.filter(pk=reference))[:2])
    if len(found) == 1:
        return found[0]
    noun = runs.model.noun
    reason = f"several {noun}s begin with" if found else f"there is no {noun}"
    raise BackupError(f"{reason} {reference!r}", hint=f"`list{noun}s` prints the ids")


def add_limit_argument(parser: CommandParser) -> None:
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="at most so many, 0 for all (default: 50)")


def limited(runs: "QuerySet[AnyRun]", limit: int) -> list[AnyRun]:
    """Return the first `limit` rows, all for 0. Raises BackupError for a negative one."""
    if limit < 0:
        raise BackupError("--limit must not be negative")
    return list(runs[: limit or None])


def add_archive_arguments(parser: CommandParser) -> None:
    """Either the id of an execution, or the path of an archive file."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="?", help="id of the backup, or its first 8 characters or more")
    which.add_argument("--file", type=Path, metavar="PATH", help="an archive file, known here or not")
