"""How a line of the log is written."""

import logging

from destinations.redaction import redact


class RedactingFormatter(logging.Formatter):
    """Hides secrets in what was logged, its traceback included: libraries write what they like."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))
