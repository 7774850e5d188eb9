"""The format of log records."""

import logging

from destinations.lib.formats import printable_lines
from destinations.lib.redaction import redact_cut

# of one record: its message, and the end of its traceback; paths and Host headers come from outside, and must not
# fill the disk
FIRST, LAST = 4_000, 12_000


class RedactingFormatter(logging.Formatter):
    """Redacts the message and the traceback, and escapes terminal codes in them: a log is read in a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        # the handlers of the site share one formatter, and searching a line for secrets takes longer than writing it
        known = vars(record).get("redacted")
        if known is None or known[0] is not self:
            known = self, printable_lines(redact_cut(super().format(record), first=FIRST, last=LAST))
            record.redacted = known
        return known[1]
