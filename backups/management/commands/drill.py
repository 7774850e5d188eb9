from typing import Any

from django.core.management.base import CommandParser

from backups.errors import BackupError
from backups.instances import instance_names
from backups.management.base import BackupCommand
from backups.models import BackupExecution, DrillExecution
from backups.models.columns import DrillResult
from backups.service.drill.result import result_of
from backups.service.drill.run import drill, newest_backup
from destinations.lib.formats import counted, human_duration, human_size, listed
from destinations.management.base import operator_name

Verdict = DrillExecution.Verdict


class Command(BackupCommand):
    help = "Prove that a backup restores: fetch it, restore it into a scratch place, check everything, note the time."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("what", metavar="INSTANCE|ID", help="an instance, for its newest backup; or id of a backup")

    def run(self, **options: Any) -> None:
        execution = self._execution(options["what"])
        run = drill(execution, by=operator_name())
        if run.verdict == Verdict.FAILED:
            raise BackupError(f"the drill of {execution} failed: {run.error_message}", hint=run.error_hint)
        if run.verdict != Verdict.PASSED:
            raise BackupError(f"the drill of {execution} came to no verdict: {run.error_message}", hint=run.error_hint)
        result = result_of(run)
        self.respond({"id": execution.pk, "archive": str(execution), **result}, _text(execution, result))

    def _execution(self, what: str) -> BackupExecution:
        """An instance that is gone from the instances file can still be drilled by its name."""
        if what in instance_names() or BackupExecution.objects.filter(instance=what).exists():
            return newest_backup(what)
        return self.find_execution(what)


def _text(execution: BackupExecution, done: DrillResult) -> str:
    found = [counted(done["files"], "file"), counted(done["databases"], "database"), counted(done["rows"], "row")]
    lines = [
        f"passed       {execution}",
        f"             {listed(found)}, {human_size(done['bytes'])} from {human_size(done['archive_bytes'])}",
        f"             restored in {human_duration(done['seconds'])}, checked in another"
        f" {human_duration(done['checking_seconds'])}",
        f"             with SQLite {done['sqlite_version']}",
        f"             id {execution.pk}",
    ]
    return "\n".join(lines + [f"warning      {text}" for text in done["warnings"]])
