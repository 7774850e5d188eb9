from typing import Any

from django.core.management.base import CommandParser

from backups.errors import BackupError
from backups.management.base import BackupCommand
from backups.service.keys.check import HINT, KeyReport, check_all
from destinations.lib.formats import printable
from destinations.models import BackupDestination


class Command(BackupCommand):
    help = "Check that the keys of this site open the oldest and the newest encrypted backup of each destination."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("--destination", metavar="NAME", help="default: all of them")

    def run(self, **options: Any) -> None:
        name = options["destination"]
        chosen = [self.find_destination(name)] if name else list(BackupDestination.objects.all())
        report = check_all(chosen, whole=True)
        results = report.results
        data = [
            {
                "id": result.backup.pk,
                "destination": result.backup.destination.name,
                "file": result.backup.backup_filename,
                "recipients": result.backup.recipients,
                "verdict": result.verdict.name.lower(),
                "reason": result.reason,
            }
            for result in results
        ]
        # before the error: the other results are reported in any case
        self.respond(data, _text(report))
        if lost := len(report.lost):
            raise BackupError(f"{lost} of {len(results)} backups cannot be opened any more.", hint=HINT)
        if report.unreachable:
            raise BackupError(
                f"{len(report.unreachable)} of {len(chosen)} destinations did not answer.",
                hint="Run `testdestination`.",
            )


def _text(report: KeyReport) -> str:
    lines = [
        f"{result.verdict.name.lower():10} {result.backup.backup_filename} at {result.backup.destination.name}"
        + (f": {result.reason}" if result.reason else "")
        for result in report.results
    ]
    lines += [f"no answer  {name}: {reason}" for name, reason in report.unreachable.items()]
    return "\n".join(map(printable, lines)) or "no backup is encrypted"
