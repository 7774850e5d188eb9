"""How a line of the log is written."""

import logging

from destinations.lib.redaction import redact_cut

# Of one record: its message, and the end of its traceback. Strangers choose a path or a Host header, and a log that
# grows by as much as they send is a full disk.
FIRST, LAST = 4_000, 12_000


class RedactingFormatter(logging.Formatter):
    """Hides secrets in what was logged, its traceback included: libraries write what they like."""

    def format(self, record: logging.LogRecord) -> str:
        return redact_cut(super().format(record), first=FIRST, last=LAST)
