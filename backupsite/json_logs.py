"""The format of log records with LOG_FORMAT=json: one object a line."""

import logging
from datetime import UTC, datetime
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from backups.lib import log_context
from backupsite.logs import FIRST, LAST
from destinations.lib.formats import as_text
from destinations.lib.redaction import HIDDEN, redact_cut
from destinations.lib.secret_names import is_secret_name

# the fields by which an event names its run; that of a drill names the backup too
RUNS = ("restore", "drill", "copy", "backup")


class RedactingJsonFormatter(JsonFormatter):
    """Redacts and cuts each text as a line of text is; what is no ASCII is escaped by JSON itself."""

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """Fill `log_data`. Empty values are left out, so that a line holds what is known and nothing else."""
        fields: dict[str, str] = getattr(record, "fields", {})
        # Django logs a refused request after the middleware that knows its id
        request = getattr(getattr(record, "request", None), "request_id", "")
        own = next((fields[name] for name in RUNS if name in fields), "")
        values = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": getattr(record, "event", ""),
            "message": _text(record.getMessage()),
            "request_id": log_context.REQUEST_ID.get() or request,
            "run_id": log_context.RUN_ID.get() or own,
            "process": record.process,
            "fields": {key: HIDDEN if is_secret_name(key) else _text(value) for key, value in fields.items()},
            "exception": as_text(redact_cut(message_dict.get("exc_info", ""), last=LAST)),
            "stack": as_text(redact_cut(message_dict.get("stack_info", ""), last=LAST)),
        }
        log_data.update({key: value for key, value in values.items() if value})


def _text(text: str) -> str:
    return as_text(redact_cut(text, first=FIRST))
