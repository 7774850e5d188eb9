"""What every command of this project shares: `--json`, one clear line for an error, exit code 1."""

import errno
import getpass
import json
import logging
import os
import signal
from abc import ABC, abstractmethod
from typing import Any, Literal

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from destinations.lib.database_errors import database_error
from destinations.lib.operator_error import OperatorError, sentences
from destinations.lib.os_signals import TerminationRequested, exit_status, graceful_termination, termination_message
from destinations.lib.process_errors import process_error
from destinations.lib.terminal import Output

logger = logging.getLogger(__name__)


class Error(CommandError):
    """Django prints the name of the class in front of the message: `Error: message hint`."""


def one_line(*texts: str) -> str:
    return " ".join(sentences(*texts).split())


def option_sentence(error: BaseException) -> str:
    """Return the option with which the command does it all the same, as a sentence; "" where there is none."""
    option = error.option if isinstance(error, OperatorError) else ""
    return f"The option is {option}." if option else ""


def operator_name() -> str:
    """Return the login name of whoever runs the command, or the user id where it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def quieten() -> None:
    """Take the log off stderr, where the operator reads the answer or one line of error; it goes on in its file."""
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if handler.name == "stderr"]:
        root.removeHandler(handler)


class OperatorCommand(BaseCommand, ABC):
    """A subclass writes `add_options` and `run`, which ends with one `respond`.

    An OperatorError ends the command with one line on stderr and its exit status, with and without `--json`; a signal
    ends it with 128 and its number, after clean-up. A failed write to stdout does not stop the work and is reported
    at the end.
    """

    requires_system_checks: list[str] | tuple[str, ...] | Literal["__all__"] = ()
    _signalled_once = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.stderr = Output.around(self.stderr)

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_options(parser)
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")

    def add_options(self, parser: CommandParser) -> None:
        """Declare the command's own arguments."""

    @abstractmethod
    def run(self, **options: Any) -> None:
        """Do the work and respond."""

    def run_from_argv(self, argv: list[str]) -> None:
        # this process ends with the command: a second signal must not cut off the message about the first
        self._signalled_once = True
        super().run_from_argv(argv)

    def handle(self, *args: Any, **options: Any) -> None:
        self.as_json: bool = options.pop("as_json")
        self.stdout = answer = Output.around(self.stdout)
        if options["verbosity"] < 2:
            quieten()
        try:
            with graceful_termination(once=self._signalled_once):
                self.run(**options)
        except OperatorError as error:
            raise Error(
                one_line(error.message, error.hint, option_sentence(error)), returncode=error.exit_status
            ) from error
        except (KeyboardInterrupt, TerminationRequested) as error:
            raise Error(one_line(termination_message(error)), returncode=exit_status(error)) from error
        except DatabaseError as error:
            raise Error(one_line(database_error(error).text)) from error
        except (OSError, MemoryError, RuntimeError) as error:
            known = process_error(error)
            if known is None:
                raise
            logger.exception("command failed name=%s", type(self).__module__.rpartition(".")[2])
            raise Error(one_line(known.text)) from error
        if answer.failure is None:
            return
        if answer.failure.errno == errno.EPIPE:
            # like every program whose reader, such as `head`, has read enough
            raise SystemExit(128 + signal.SIGPIPE)
        reason = os.strerror(answer.failure.errno or errno.EIO)
        raise Error(
            one_line(f"The answer could not be written: {reason}.", "The work of the command is done."),
            returncode=os.EX_IOERR,
        )

    def respond(self, data: dict[str, Any] | list[dict[str, Any]], text: str) -> None:
        """Print `data` with `--json`, else `text`."""
        self.stdout.write(json.dumps(data) if self.as_json else text)
