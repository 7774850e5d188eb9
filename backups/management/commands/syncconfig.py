from typing import Any

from django.core.management.base import CommandParser

from backups.errors import BackupError
from backups.management.base import BackupCommand
from backups.service.automation.sync import sync
from destinations.lib.operator_error import sentences


class Command(BackupCommand):
    help = "Read the destinations and schedules that a service declares in its own configuration."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("instance")

    def run(self, **options: Any) -> None:
        synced = sync(options["instance"])
        lines = [f"changed   {row}" for row in synced.changed] + [f"disabled  {row}" for row in synced.disabled]
        lines += [f"waits     {row} (see `confirmrule`)" for row in synced.pending]
        lines += [f"note      {note}" for note in synced.notes]
        data = {
            "changed": synced.changed,
            "disabled": synced.disabled,
            "pending": synced.pending,
            "problems": synced.problems,
            "notes": synced.notes,
        }
        # before the error: the sections without errors are synced
        self.respond(data, "\n".join(lines) or "nothing to change")
        if synced.problems:
            raise BackupError(sentences(*synced.problems), hint="The other rows are as declared.")
