from contextlib import suppress
from typing import Any

from django.core.management.base import CommandParser

from backups.errors import InstanceBusy, NotQueued
from backups.formats import human_duration
from backups.management.base import BackupCommand
from backups.models import BackupExecution
from backups.service.backup import run_backup, start_backup
from backups.service.cancel import cancel
from backups.service.status import describe
from backups.tasks import enqueue
from destinations.management.base import Error, operator_name
from destinations.os_signals import exit_status
from destinations.sizes import human_size


class Command(BackupCommand):
    help = "Back up an instance now, here; or let a worker do it (--queue)."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("instance")
        parser.add_argument("--destination", metavar="NAME", help="needed when several are enabled")
        parser.add_argument("--comment", default="", metavar="TEXT", help="what it is for")
        parser.add_argument("--queue", action="store_true", help="queue it for a worker and return at once")

    def run(self, **options: Any) -> None:
        destination = self.find_destination(options["destination"])
        by = operator_name()
        execution = start_backup(options["instance"], destination, by=by, comment=options["comment"])
        if options["queue"]:
            enqueue(execution)
            self.respond(describe(execution), f"queued as {execution.pk}")
            return
        execution = self._run(execution, by)
        self.respond(describe(execution), summary(execution))

    def _run(self, execution: BackupExecution, by: str) -> BackupExecution:
        try:
            return run_backup(execution.pk)
        except InstanceBusy:
            # nobody is going to wait for this row, and a worker must not find it later
            with suppress(NotQueued):
                cancel(execution, by=by)
            raise
        except (KeyboardInterrupt, SystemExit) as end:
            execution.refresh_from_db(fields=["status"])
            raise Error(f"the backup was told to end; it is {execution.status}", returncode=exit_status(end)) from end


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
