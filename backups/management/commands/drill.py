from typing import Any

from django.core.management.base import CommandParser

from backups.errors import BackupError
from backups.instances import instance_names
from backups.management.base import BackupCommand
from backups.models import BackupExecution, DrillExecution
from backups.service.drill.result import result_of
from backups.service.drill.run import drill, newest_backup
from destinations.lib.formats import counted, human_duration, human_size, listed
from destinations.lib.operator_error import sentences
from destinations.management.base import operator_name

Verdict = DrillExecution.Verdict


class Command(BackupCommand):
    help = "Drill: restore a backup into a scratch folder, check everything, and record how long it took."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("what", metavar="INSTANCE|ID", help="an instance, for its newest backup; or id of a backup")

    def run(self, **options: Any) -> None:
        what = options["what"]
        # by its backups, too: an instance that was removed from instances.toml can still be drilled
        is_instance = what in instance_names() or BackupExecution.objects.filter(instance=what).exists()
        backup = newest_backup(what) if is_instance else self.find_backup(what)
        run = drill(backup, by=operator_name())
        if run.verdict != Verdict.PASSED:
            outcome = "failed" if run.verdict == Verdict.FAILED else "has no verdict"
            message = sentences(f"The drill of {backup} {outcome}", run.error_message)
            # a script sees by the exit status that the archive cannot be relied on
            raise BackupError(message, hint=run.error_hint)
        done = result_of(run)
        found = [counted(done["files"], "file"), counted(done["databases"], "database"), counted(done["rows"], "row")]
        lines = [
            f"passed       {backup}",
            f"             {listed(found)}, {human_size(done['bytes'])} from {human_size(done['archive_bytes'])}"
            f" at {done.get('destination') or backup.destination}",
            f"             restored in {human_duration(done['seconds'])}, checked in another"
            f" {human_duration(done['checking_seconds'])}",
            f"             with SQLite {done['sqlite_version']}",
            f"             id {backup.pk}",
            *(f"warning      {text}" for text in done["warnings"]),
        ]
        self.respond({"id": backup.pk, "archive": str(backup), **done}, "\n".join(lines))
