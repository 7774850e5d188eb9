from typing import Any

from django.core.management.base import CommandError, CommandParser

from backups.errors import BackupError, NotDeletable
from backups.management.base import BackupCommand
from backups.models import BackupCopy, BackupExecution
from backups.runs.describe import describe
from backups.service.archives.records.given_up import give_up_copy, give_up_destination
from backups.service.archives.records.loss import accept_loss
from destinations.lib.formats import counted
from destinations.management.base import operator_name
from destinations.models import BackupDestination


class Command(BackupCommand):
    help = "Accept that the missing archive of a backup, its copy at one destination or all of those there are lost."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("id", nargs="?", help="id of the backup, or its first 8 characters or more")
        parser.add_argument(
            "--destination", metavar="NAME", help="only the copy there; without an id every copy there, when disabled"
        )
        parser.add_argument("--why", "--reason", dest="reason", metavar="TEXT", required=True, help="why it is gone")

    def run(self, **options: Any) -> None:
        if not options["id"] and not options["destination"]:
            raise CommandError("Name a backup, a destination with --destination, or both.")
        if not options["id"]:
            self.give_up_all(self.find_destination(options["destination"]), options["reason"])
            return
        backup = self.find_backup(options["id"])
        if not options["destination"]:
            accept_loss(backup, by=operator_name(), reason=options["reason"])
            self.respond(describe(backup), f"lost  {backup}: {backup.deleted_reason}")
            return
        destination = self.find_destination(options["destination"])
        copy = backup.copies.select_related("execution", "destination").filter(destination=destination).first()
        if copy is None:
            raise NotDeletable(f"{backup} was not made for {destination.name}.", hint="Its page lists its copies.")
        give_up_copy(copy, by=operator_name(), reason=options["reason"])
        backup = BackupExecution.objects.select_related("destination").get(pk=backup.pk)
        self.respond(describe(backup), f"given up  {backup} at {destination.name}: {copy.deleted_reason}")

    def give_up_all(self, destination: BackupDestination, reason: str) -> None:
        done = give_up_destination(destination, by=operator_name(), reason=reason)
        lines = [f"{counted(len(done.copies), 'copy', 'copies')} at {destination.name} given up"]
        lines += [f"lost      {backup.pk}  {backup}" for backup in done.lost]
        lines += [f"kept      {copy.execution_id}  {error.text}" for copy, error in done.refused]
        if done.unsettled:
            lines.append(f"left      {counted(done.unsettled, 'upload')} whose end is not known")
        found = {
            "destination": destination.name,
            "given_up": ids(done.copies),
            "lost": [backup.pk for backup in done.lost],
            "unsettled": done.unsettled,
            "kept": [{"backup": copy.execution_id, "reason": error.message} for copy, error in done.refused],
        }
        self.respond(found, "\n".join(lines))
        if done.refused:
            raise BackupError(f"{counted(len(done.refused), 'copy was', 'copies were')} not given up.")


def ids(copies: list[BackupCopy]) -> list[str]:
    return [copy.execution_id for copy in copies]
