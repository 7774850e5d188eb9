from typing import Any

from django.core.management.base import CommandParser

from backups.management.base import BackupCommand
from backups.management.output.restore import result_text
from backups.runs.describe import describe_log, readable_log
from backups.service.restore.describe import describe_restore


class Command(BackupCommand):
    help = "Show one restore: what it touched, how it ended, what to do next."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("id", help="id of the restore, or its first 8 characters or more")
        parser.add_argument("--log", action="store_true", help="show the log lines of the restore too")

    def run(self, **options: Any) -> None:
        restore = self.find_restore(options["id"])
        lines = [result_text(restore)]
        lines += [f"stage        {moment} {stage}" for stage, moment in restore.timeline]
        lines += [f"hook         {note['hook']}: exit code {note['exit_code']}" for note in restore.hook_output]
        data = describe_restore(restore)
        if options["log"]:
            data["log"] = describe_log(restore)
            lines += ["", *readable_log(restore)]
        self.respond(data, "\n".join(lines))
