"""What every command of this project shares: `--json`, one clear line for an error, exit code 1."""

import getpass
import json
import logging
import os
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from destinations.exceptions import DestinationError


class Error(CommandError):
    """Django prints the name of the class in front of the message: `Error: message (hint)`."""


def one_line(message: str, hint: str = "") -> str:
    text = f"{message} ({hint})" if hint else message
    return " ".join(text.split())


def operator_name() -> str:
    """Return the login name of whoever runs the command, or the user id where it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def quieten() -> None:
    """Leave the log to its file: on the terminal the operator reads the answer, or one line of error."""
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if handler.name == "stderr"]:
        root.removeHandler(handler)


class OperatorCommand(BaseCommand, ABC):
    """A subclass writes `add_options` and `run`, which ends with one `respond`.

    An error of `operator_errors` (each has a message and may have a `hint`) ends the command with one line on stderr
    and exit code 1, with and without `--json`.
    """

    requires_system_checks: list[str] | tuple[str, ...] | Literal["__all__"] = ()
    operator_errors: ClassVar[tuple[type[Exception], ...]] = (DestinationError,)

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_options(parser)
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")

    def add_options(self, parser: CommandParser) -> None:
        """Declare the command's own arguments."""

    @abstractmethod
    def run(self, **options: Any) -> None:
        """Do the work and respond."""

    def handle(self, *args: Any, **options: Any) -> None:
        self.as_json: bool = options.pop("as_json")
        if options["verbosity"] < 2:
            quieten()
        try:
            self.run(**options)
        except self.operator_errors as error:
            raise Error(one_line(str(error), getattr(error, "hint", ""))) from error
        except DatabaseError as error:
            raise Error(one_line(f"The database cannot be used: {error}", "Run 'manage.py migrate' first.")) from error

    def respond(self, data: dict[str, Any] | list[dict[str, Any]], text: str) -> None:
        """Print `data` as JSON when asked for, else `text`."""
        self.stdout.write(json.dumps(data) if self.as_json else text)
