"""The format of log records."""

import logging

from destinations.lib.redaction import redact_cut

# of one record: its message, and the end of its traceback; paths and Host headers come from outside, and must not
# fill the disk
FIRST, LAST = 4_000, 12_000


class RedactingFormatter(logging.Formatter):
    """Redacts the message and the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        return redact_cut(super().format(record), first=FIRST, last=LAST)
