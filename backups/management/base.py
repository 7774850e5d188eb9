"""Base of the commands of this app: finding runs and destinations, and common arguments."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from django.core.management.base import CommandParser
from django.db.models import QuerySet

from backups.errors import BackupError
from backups.models import BackupExecution, RestoreExecution, Run
from backups.runs.queue.deduplication import AlreadyWaiting
from destinations.lib.operator_error import sentences
from destinations.management.base import OperatorCommand
from destinations.models import BackupDestination

AnyRun = TypeVar("AnyRun", bound=Run)


class BackupCommand(OperatorCommand):
    """A command about backups and restores."""

    def find_backup(self, reference: str) -> BackupExecution:
        """Return the backup with this id, or with this unique beginning of one (8 characters or more)."""
        return _found(BackupExecution.objects.select_related("destination"), reference)

    def find_restore(self, reference: str) -> RestoreExecution:
        """Return the restore with this id, or with this unique beginning of one (8 characters or more)."""
        return _found(RestoreExecution.objects.select_related("execution", "safety_backup__destination"), reference)

    def find_destination(self, name: str | None, *, removed: bool = False) -> BackupDestination:
        """Return the destination called `name`, a deleted one with `removed`; without a name the only enabled one."""
        # evaluated for an error only
        names = BackupDestination.objects.values_list("name", flat=True)
        if name is not None:
            known = BackupDestination.with_removed if removed else BackupDestination.objects
            destination = known.filter(name=name).first()
            if destination is None:
                raise BackupError(f"There is no destination {name!r}.", hint=f"Known: {', '.join(names) or 'none'}.")
            return destination
        enabled = list(BackupDestination.objects.enabled()[:2])
        if not enabled:
            raise BackupError("No destination is enabled.", hint="Add one with `adddestination`.")
        if len(enabled) > 1:
            hint = f"Name one with --destination: {', '.join(names)}."
            raise BackupError("Several destinations are enabled.", hint=hint)
        return enabled[0]

    def find_destinations(self, names: list[str] | None) -> list[BackupDestination]:
        """Return the destinations called `names`, in order; without names, the only enabled one."""
        return [self.find_destination(name) for name in names] if names else [self.find_destination(None)]

    def respond_waiting(self, waiting: AlreadyWaiting, describe: Callable[[Any], dict[str, Any]]) -> None:
        """Respond with the queued run that does the same already: nothing else was queued."""
        run = waiting.run
        data = describe(run) | {"already_waiting": True, "note": waiting.hint}
        text = sentences(f"waiting already as {run.pk}, asked for by {run.triggered_by}", waiting.hint)
        self.respond(data, text if waiting.hint else text.removesuffix("."))


def _found(runs: "QuerySet[AnyRun]", reference: str) -> AnyRun:
    # fewer characters would too easily be those of another run
    found = list((runs.filter(pk__startswith=reference) if len(reference) >= 8 else runs.filter(pk=reference))[:2])
    if len(found) == 1:
        return found[0]
    noun = runs.model.noun
    reason = f"Several {noun}s begin with" if found else f"There is no {noun}"
    raise BackupError(f"{reason} {reference!r}.", hint=f"`list{noun}s` prints the ids.")


def add_limit_argument(parser: CommandParser) -> None:
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="at most N, 0 for all (default: 50)")


def limited(runs: "QuerySet[AnyRun]", limit: int) -> list[AnyRun]:
    """Return the first `limit` rows, all for 0. Raises BackupError for a negative one."""
    if limit < 0:
        raise BackupError("--limit must not be negative.")
    return list(runs[: limit or None])


def add_archive_arguments(parser: CommandParser) -> None:
    """Add the id of a backup and `--file`, of which one has to be given."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="?", help="id of the backup, or its first 8 characters or more")
    which.add_argument("--file", type=Path, metavar="PATH", help="an archive file, known here or not")
