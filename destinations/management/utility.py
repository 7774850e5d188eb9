"""Entry of the programs that run one command."""

import gc

from django.core.management import ManagementUtility
from django.core.management.base import BaseCommand


class CommandUtility(ManagementUtility):
    """Imports without garbage collection, which would take a third of the CPU time of a short command.

    What the imports made stays until the process ends: it is left out of all later collections, that at the end of the
    process included.
    """

    def execute(self) -> None:
        gc.disable()
        try:
            super().execute()
        finally:
            gc.enable()

    def fetch_command(self, subcommand: str) -> BaseCommand:
        command = super().fetch_command(subcommand)
        gc.freeze()
        gc.enable()
        return command
