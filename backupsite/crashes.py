"""Tracebacks and error reports without secrets, and starts that fail with one sentence instead of a traceback."""

import sys
import threading
import traceback
from types import TracebackType

from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from django.utils.safestring import SafeString, mark_safe
from django.views.debug import ExceptionReporter

from destinations.lib.database_errors import database_error
from destinations.lib.formats import printable_lines
from destinations.lib.process_errors import process_error
from destinations.lib.redaction import redact, redact_cut

# of a traceback on the terminal
FIRST, LAST = 20_000, 20_000


# what a process may meet before its own work begins: a setting, a full disk, a limit of the system
STARTUP_ERRORS = (OperationalError, OSError, MemoryError, ImproperlyConfigured)


class RedactingReporter(ExceptionReporter):
    """Hides secrets in the error pages of DEBUG and in the mails to ADMINS, local variables included."""

    def get_traceback_html(self) -> SafeString:
        return mark_safe(redact(super().get_traceback_html()))  # noqa: S308 - escaped already

    def get_traceback_text(self) -> SafeString:
        return mark_safe(redact(super().get_traceback_text()))  # noqa: S308 - it is plain text


def hide_secrets_in_tracebacks() -> None:
    """Redact the tracebacks of uncaught exceptions in this process and its threads."""
    sys.excepthook = _print
    threading.excepthook = _print_of_thread


def startup_sentence(error: BaseException) -> str:
    """Return what to print for one of STARTUP_ERRORS."""
    if isinstance(error, OperationalError):
        return f"Error: {database_error(error).text}"
    if isinstance(error, ImproperlyConfigured):
        return f"Error: {error} (docs/configuration.md describes every setting)"
    known = process_error(error) if isinstance(error, OSError | MemoryError) else None
    return f"Error: {known.text if known else error}"


def _print(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    text = "".join(traceback.format_exception(kind, error, trace))
    sys.stderr.write(printable_lines(redact_cut(text, first=FIRST, last=LAST)))


def _print_of_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None and not isinstance(ended.exc_value, SystemExit):
        _print(ended.exc_type, ended.exc_value, ended.exc_traceback)
