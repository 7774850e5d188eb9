from typing import Any

from django.core.management.base import CommandParser

from backups.management.base import BackupCommand
from backups.models import BackupExecution
from backups.models.run import new_id
from backups.runs.describe import describe
from backups.runs.queue.deduplication import AlreadyWaiting
from backups.service.archives.records.copies import copies_of
from backups.service.backup.run import backup_now
from backups.service.backup.start import start_backup
from backups.worker.tasks import enqueue
from destinations.lib.formats import human_duration, human_size
from destinations.lib.os_signals import exit_status
from destinations.management.base import Error, one_line, operator_name
from destinations.models import BackupDestination


class Command(BackupCommand):
    help = "Back up an instance now, in this process, or queue the backup for a worker (--queue)."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("instance")
        parser.add_argument(
            "--destination",
            metavar="NAME",
            action="append",
            help="needed when several are enabled; given again, the backup is stored there too",
        )
        parser.add_argument("--comment", default="", metavar="TEXT", help="what it is for")
        parser.add_argument("--queue", action="store_true", help="queue it for a worker and return at once")

    def run(self, **options: Any) -> None:
        destinations = self.find_destinations(options["destination"])
        run = self._queue if options["queue"] else self._run
        run(options["instance"], destinations, by=operator_name(), comment=options["comment"])

    def _queue(self, instance: str, destinations: list[BackupDestination], *, by: str, comment: str) -> None:
        try:
            backup = start_backup(instance, destinations, by=by, comment=comment)
        except AlreadyWaiting as waiting:
            self.respond_waiting(waiting, describe)
            return
        enqueue(backup)
        self.respond(describe(backup) | {"already_waiting": False}, f"queued as {backup.pk}")

    def _run(self, instance: str, destinations: list[BackupDestination], *, by: str, comment: str) -> None:
        # known before there is a row: after a signal the row is found by it
        run_id = new_id()
        try:
            backup = backup_now(instance, destinations, by=by, comment=comment, run_id=run_id)
        except (KeyboardInterrupt, SystemExit) as end:
            row = BackupExecution.objects.filter(pk=run_id).first()
            state = f"It is {row.status}" if row else "It had not begun"
            raise Error(one_line("The backup was terminated by a signal", state), returncode=exit_status(end)) from end
        self.respond(describe(backup), summary(backup))


def summary(backup: BackupExecution) -> str:
    manifest = backup.manifest_json or {}
    records = sum(entry.get("records") or 0 for entry in manifest.get("contents", []))
    lines = [
        f"completed  {backup.backup_path} at {backup.destination.name}",
        f"           {backup.files_included} files, {records} rows, {human_size(backup.size_bytes)} packed into"
        f" {human_size(backup.compressed_size_bytes)} in {human_duration(backup.duration)}",
        f"           SHA-256 {backup.archive_sha256}",
        f"           id {backup.pk}",
    ]
    others = [copy for copy in copies_of(backup) if copy.destination_id != backup.destination_id]
    lines += [
        f"copy       {copy.path} at {copy.destination.name}"
        if copy.is_sound
        else f"missing    the copy at {copy.destination.name}: {copy.error}"
        for copy in others
    ]
    return "\n".join(lines + [f"warning    {text}" for text in backup.warnings])
