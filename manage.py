#!/usr/bin/env python
"""Django's command-line utility."""

import os
import sys

from backupsite.crashes import STARTUP_ERRORS, hide_secrets_in_tracebacks, startup_sentence
from destinations.lib.terminal import spell_out
from destinations.management.utility import CommandUtility


def main() -> None:
    hide_secrets_in_tracebacks()
    spell_out(sys.stdout)
    spell_out(sys.stderr)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backupsite.settings")
    try:
        CommandUtility(sys.argv).execute()
    except STARTUP_ERRORS as error:
        # before a command began, or of Django's own commands, such as migrate
        sys.exit(startup_sentence(error))


if __name__ == "__main__":
    main()
