#!/usr/bin/env python
"""Django's command-line utility."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError

from backupsite.crashes import hide_secrets_in_tracebacks
from destinations.lib.database_errors import database_error
from destinations.lib.process_errors import process_error
from destinations.lib.terminal import spell_out


def main() -> None:
    hide_secrets_in_tracebacks()
    spell_out(sys.stdout)
    spell_out(sys.stderr)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backupsite.settings")
    try:
        execute_from_command_line(sys.argv)
    except OperationalError as error:
        # of Django's own commands, such as migrate
        sys.exit(f"Error: {database_error(error).text}")
    except (OSError, MemoryError) as error:
        # a limit of the process that is met before a command begins
        known = process_error(error)
        sys.exit(f"Error: {known.text if known else error}")
    except ImproperlyConfigured as error:
        sys.exit(f"Error: {error} (docs/configuration.md describes every setting)")


if __name__ == "__main__":
    main()
