#!/usr/bin/env python
"""Django's command-line utility."""

import os
import sys

from backupsite.crashes import STARTUP_ERRORS, hide_secrets_in_tracebacks, startup_sentence
from destinations.lib.terminal import spell_out
from destinations.management.utility import CommandUtility

# of a watch, when the site cannot even start: that nothing is known
UNKNOWN = 3


def main() -> None:
    hide_secrets_in_tracebacks()
    spell_out(sys.stdout)
    spell_out(sys.stderr)
    watches = sys.argv[1:2] == ["checkoverdue"]
    # a site elsewhere is watched without a home, keys and database here
    elsewhere = watches and any(word.partition("=")[0] == "--url" for word in sys.argv)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", f"backupsite.{'outside.' if elsewhere else ''}settings")
    try:
        CommandUtility(sys.argv).execute()
    except STARTUP_ERRORS as error:
        # before a command began, or of Django's own commands, such as migrate
        sys.stderr.write(f"{startup_sentence(error)}\n")
        sys.exit(UNKNOWN if watches else 1)


if __name__ == "__main__":
    main()
