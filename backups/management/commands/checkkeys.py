from typing import Any

from django.core.management.base import CommandParser

from backups.archive.encryption import Verdict
from backups.errors import BackupError
from backups.management.base import BackupCommand
from backups.service.keys.check import HINT, Look, check_keys
from destinations.exceptions import DestinationError
from destinations.models import BackupDestination


class Command(BackupCommand):
    help = "Try the keys at hand on the oldest and the newest encrypted backup of each destination."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("--destination", metavar="NAME", help="default: all of them")

    def run(self, **options: Any) -> None:
        name = options["destination"]
        chosen = [self.find_destination(name)] if name else list(BackupDestination.objects.all())
        looks: list[Look] = []
        silent: list[str] = []
        for destination in chosen:
            try:
                looks += check_keys(destination, whole=True)
            except DestinationError as error:
                silent.append(f"no answer  {destination.name}: {error.message}")
        self.respond([_described(look) for look in looks], _text(looks, silent))
        lost = sum(look.verdict is Verdict.LOST for look in looks)
        if lost:
            raise BackupError(f"{lost} of {len(looks)} backups cannot be opened any more", hint=HINT)
        if silent:
            raise BackupError(f"{len(silent)} of {len(chosen)} destinations did not answer", hint="run testdestination")


def _described(look: Look) -> dict[str, Any]:
    execution = look.execution
    return {
        "id": execution.pk,
        "destination": execution.destination.name,
        "file": execution.backup_filename,
        "recipients": execution.recipients,
        "verdict": look.verdict.name.lower(),
        "reason": look.reason,
    }


def _text(looks: list[Look], silent: list[str]) -> str:
    lines = [
        f"{look.verdict.name.lower():10} {look.execution.backup_filename} at {look.execution.destination.name}"
        + (f": {look.reason}" if look.reason else "")
        for look in looks
    ]
    return "\n".join([*lines, *silent]) or "no backup is encrypted"
