from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from backups.archive.age import fingerprint
from backups.management.base import BackupCommand
from backups.service.keys.generate import create_identity


class Command(BackupCommand):
    help = "Generate a key: write the identity, which is the secret, to a new file, and print the recipient."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, help="a new file, mode 0600; best not on this machine")

    def run(self, **options: Any) -> None:
        recipient = create_identity(options["path"])
        data = {"identity_file": str(options["path"]), "recipient": recipient, "fingerprint": fingerprint(recipient)}
        self.respond(data, recipient)
