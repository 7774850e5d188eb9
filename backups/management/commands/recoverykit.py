import os
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from backups.errors import BackupError
from backups.lib import audit
from backups.management.base import BackupCommand
from backups.service.keys.recovery_kit import recovery_kit
from destinations.management.base import operator_name


class Command(BackupCommand):
    help = "Write a page to print, with what is needed to restore an instance with standard tools."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("instance")
        parser.add_argument("--output", type=Path, metavar="FILE", help="a new file (0600); default: print it")
        parser.add_argument("--with-secrets", action="store_true", help="with identities and passphrases")

    def run(self, **options: Any) -> None:
        page = recovery_kit(options["instance"], with_secrets=options["with_secrets"])
        holds = "keys" if options["with_secrets"] else "nothing-private"
        audit.log("recoverykit.made", instance=options["instance"], by=operator_name(), holds=holds)
        if options["output"] is None:
            self.respond({"instance": options["instance"], "html": page}, page)
            return
        path = options["output"]
        try:
            # never readable by others: it may hold keys
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(page)
        except OSError as error:
            raise BackupError(
                f"{path} cannot be written: {error.strerror}.", hint="Give the path of a new file."
            ) from error
        data = {"instance": options["instance"], "file": str(path)}
        self.respond(data, f"written to {path}: print it and keep it in another place than this machine")
