from typing import Any

from django.core.management.base import CommandParser

from backups.errors import BackupError
from backups.management.base import BackupCommand
from backups.models import CopyExecution
from backups.models.run import new_id
from backups.runs.describe import describe_copy, describe_progress
from backups.runs.queue.deduplication import AlreadyWaiting
from backups.service.copying.run import copy_now
from backups.service.copying.start import start_copy
from backups.worker.tasks import enqueue
from destinations.lib.formats import human_duration, human_size
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Copy a backup to one more destination, or make up for a copy that is missing or damaged there."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("id", help="id of the backup, or its first 8 characters or more")
        parser.add_argument("--to", required=True, metavar="NAME", help="destination that gets the copy")
        parser.add_argument("--queue", action="store_true", help="queue it for a worker and return at once")

    def run(self, **options: Any) -> None:
        backup, destination = self.find_backup(options["id"]), self.find_destination(options["to"])
        by = operator_name()
        if options["queue"]:
            try:
                run = start_copy(backup, destination, by=by)
            except AlreadyWaiting as waiting:
                self.respond_waiting(waiting, describe)
                return
            enqueue(run)
            self.respond(describe(run) | {"already_waiting": False}, f"queued as {run.pk}")
            return
        try:
            run = copy_now(backup, destination, by=by, run_id=new_id())
        except AlreadyWaiting as waiting:
            raise BackupError(waiting.message, hint="Wait for its end, or cancel it on its page.") from waiting
        copy = run.copy
        lines = [
            f"copied     {copy.path} from {run.source} to {destination.name}",
            f"           {human_size(copy.size_bytes)} in {human_duration(run.duration)}",
            *(f"warning    {text}" for text in run.warnings),
        ]
        self.respond(describe(run), "\n".join(lines))


def describe(run: CopyExecution) -> dict[str, Any]:
    return describe_progress(run) | {
        "backup": run.copy.execution_id,
        "source": run.source,
        "copy": describe_copy(run.copy),
        "warnings": run.warnings,
    }
