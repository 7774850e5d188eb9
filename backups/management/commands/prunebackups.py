from typing import Any

from django.core.management.base import CommandParser

from backups.errors import BackupError
from backups.management.base import BackupCommand
from backups.management.output.listing import Item, Sections, item_of, lines
from backups.models import BackupCopy
from backups.service.retention.archived import Planned
from backups.service.retention.daily import Tended, tend
from backups.service.retention.plan import Plan
from backups.service.retention.prune import preview_prune, prune
from destinations.exceptions import DestinationError
from destinations.lib.formats import human_size
from destinations.lib.operator_error import OperatorError, sentences
from destinations.management.base import operator_name
from destinations.models import BackupDestination


class Command(BackupCommand):
    help = "Delete the backups that the rules of the destinations no longer need."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("--destination", metavar="NAME", help="only this one; default: every enabled one")
        parser.add_argument(
            "--dry-run", action="store_true", help="print what would be deleted and why, delete nothing"
        )

    def run(self, **options: Any) -> None:
        name = options["destination"]
        chosen = [self.find_destination(name)] if name else list(BackupDestination.objects.enabled())
        answers, texts, problems = [], [], []
        for destination in chosen:
            try:
                sections, size, problem = preview(destination) if options["dry_run"] else pruned(destination)
            except OperatorError as error:
                # a destination that does not answer must not keep the others from being pruned
                sections, size, problem = {}, 0, error.message
            answers.append(
                {"destination": destination.name, "dry_run": options["dry_run"], "reclaimed_bytes": size, **sections}
                | ({"error": problem} if problem else {})
            )
            texts += [f"{destination.name}: {human_size(size)} reclaimed", *lines(sections)]
            problems += [problem] if problem else []
        # before the error: what was deleted is reported in any case
        self.respond(answers, "\n".join(texts) or "no destination is enabled")
        if problems:
            raise BackupError(sentences(*problems))


def preview(destination: BackupDestination) -> tuple[Sections, int, str]:
    foreseen = preview_prune(destination)
    plan, warnings = foreseen.plan, [{"reason": warning} for warning in foreseen.warnings]
    kept = [entry for entry in plan.entries if entry.keep]
    sections = {"goes": _items(plan.to_delete), "stays": _items(kept)} | ({"warning": warnings} if warnings else {})
    return {**sections, **_unconfirmed(plan)}, plan.reclaimed_bytes, ""


def pruned(destination: BackupDestination) -> tuple[Sections, int, str]:
    done = prune(destination, by=operator_name())
    try:
        tended, problem = tend(destination), ""
    except DestinationError as error:
        # what was deleted is reported in any case
        tended, problem = Tended(), error.message
    sections = {
        "deleted": _items(done.deleted),
        "spared": [_item(entry, why) for entry, why in done.spared],
        "failed": [_item(entry, why) for entry, why in done.failed],
        "warning": [{"reason": warning} for warning in done.warnings],
        "renewed": [_copy(copy, f"locked until {copy.locked_until:%Y-%m-%d %H:%M} UTC") for copy in tended.renewed],
        "cooled": [_copy(copy, "moved to a cooler access tier") for copy in tended.cooled],
        "missing": [_copy(copy, "not there any more") for copy in tended.missing],
        "expired": [_copy(copy, "deleted by the store") for copy in tended.expired],
        "problem": [_copy(copy, why) for copy, why in tended.failed],
    }
    problem = sentences(done.problem, tended.problem, problem)
    return {**sections, **_unconfirmed(done.plan)}, done.reclaimed_bytes, problem


def _copy(copy: BackupCopy, reason: str) -> Item:
    return {"path": copy.path, "id": copy.execution_id, "instance": copy.execution.instance, "reason": reason}


def _unconfirmed(plan: Plan) -> Sections:
    """Return what would be deleted too by a rule that waits for `confirmrule`."""
    return {"unconfirmed": _items(plan.waiting)} if plan.waiting else {}


def _items(entries: list[Planned]) -> list[Item]:
    return [_item(entry, entry.reason) for entry in entries]


def _item(entry: Planned, reason: str) -> Item:
    taken_at = entry.taken_at.isoformat() if entry.taken_at else None
    return item_of(entry.execution, taken_at=taken_at, reason=reason)
