from typing import Any

from django.core.management.base import CommandParser

from backups.management.base import BackupCommand
from backups.models import BackupExecution
from backups.models.run import new_id
from backups.runs.describe import describe
from backups.runs.queue.once import AlreadyWaiting
from backups.service.backup.run import start_backup
from backups.service.backup.run_now import backup_now
from backups.worker.tasks import enqueue
from destinations.lib.formats import human_duration, human_size
from destinations.lib.os_signals import exit_status
from destinations.management.base import Error, operator_name
from destinations.models import BackupDestination


class Command(BackupCommand):
    help = "Back up an instance now, here; or let a worker do it (--queue)."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("instance")
        parser.add_argument("--destination", metavar="NAME", help="needed when several are enabled")
        parser.add_argument("--comment", default="", metavar="TEXT", help="what it is for")
        parser.add_argument("--queue", action="store_true", help="queue it for a worker and return at once")

    def run(self, **options: Any) -> None:
        destination = self.find_destination(options["destination"])
        run = self._queue if options["queue"] else self._run
        run(options["instance"], destination, by=operator_name(), comment=options["comment"])

    def _queue(self, instance: str, destination: BackupDestination, *, by: str, comment: str) -> None:
        try:
            execution = start_backup(instance, destination, by=by, comment=comment)
        except AlreadyWaiting as waiting:
            self.respond_waiting(waiting, describe)
            return
        enqueue(execution)
        self.respond(describe(execution) | {"already_waiting": False}, f"queued as {execution.pk}")

    def _run(self, instance: str, destination: BackupDestination, *, by: str, comment: str) -> None:
        run_id = new_id()
        try:
            execution = backup_now(instance, destination, by=by, comment=comment, run_id=run_id)
        except (KeyboardInterrupt, SystemExit) as end:
            row = BackupExecution.objects.filter(pk=run_id).first()
            state = f"it is {row.status}" if row else "it had not begun"
            raise Error(f"the backup was told to end; {state}", returncode=exit_status(end)) from end
        self.respond(describe(execution), summary(execution))


def summary(execution: BackupExecution) -> str:
    manifest = execution.manifest_json or {}
    records = sum(entry.get("records") or 0 for entry in manifest.get("contents", []))
    lines = [
        f"completed  {execution.backup_path} at {execution.destination.name}",
        f"           {execution.files_included} files, {records} rows, {human_size(execution.size_bytes)} packed into"
        f" {human_size(execution.compressed_size_bytes)} in {human_duration(execution.duration)}",
        f"           SHA-256 {execution.archive_sha256}",
        f"           id {execution.pk}",
    ]
    return "\n".join(lines + [f"warning    {text}" for text in execution.warnings])
