"""Tracebacks and error reports without secrets: libraries quote the values they were given."""

import sys
import threading
import traceback
from types import TracebackType

from django.utils.safestring import SafeString, mark_safe
from django.views.debug import ExceptionReporter

from destinations.lib.formats import printable_lines
from destinations.lib.redaction import redact, redact_cut

# of a traceback on the terminal
FIRST, LAST = 20_000, 20_000


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


def _print(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    text = "".join(traceback.format_exception(kind, error, trace))
    sys.stderr.write(printable_lines(redact_cut(text, first=FIRST, last=LAST)))


def _print_of_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None and not isinstance(ended.exc_value, SystemExit):
        _print(ended.exc_type, ended.exc_value, ended.exc_traceback)
