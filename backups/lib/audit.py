"""The audit trail: one log line for each event, and Django's LogEntry for what a user did."""

import json
import logging

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import AbstractUser
from django.db.models import Model

from backups.lib.os_signals import defer_signals
from destinations.lib.redaction import redact
from destinations.lib.terminal import write_to_stderr

logger = logging.getLogger("backups")

Actor = AbstractUser | str


def name_of(by: Actor) -> str:
    return by if isinstance(by, str) else by.get_username()


def log(event: str, level: int = logging.INFO, /, **fields: object) -> None:
    """Log ``event key=value ...`` as one line; values with spaces, quotes or control characters are JSON strings.

    Errors of log handlers are not raised.
    """
    _write(event, level, fields)


def crashed(event: str, error: BaseException, /, **fields: object) -> None:
    """Log `event` with the traceback of an unexpected error."""
    _write(event, logging.ERROR, fields, error)


def _write(event: str, level: int, fields: dict[str, object], error: BaseException | None = None) -> None:
    line, texts = event, dict[str, str]()
    for key, value in fields.items():
        if value in (None, ""):
            continue
        text = texts[key] = str(value)
        # a value cannot forge a second event or a second field
        plain = text.isprintable() and " " not in text and '"' not in text
        line += f" {key}={text if plain else json.dumps(text)}"
    # a signal while a handler reopens its file would lose the next line, which gives the reason
    with defer_signals():
        try:
            logger.log(level, "%s", line, exc_info=error, extra={"event": event, "fields": texts})
        except Exception as failure:  # of a handler: logging must not stop a backup
            write_to_stderr(redact(f"{logging.getLevelName(level)} {line} (the log failed: {type(failure).__name__})"))


def note(by: Actor, target: Model, message: str) -> None:
    """Add `message` to the admin history of `target` when `by` is a user."""
    if not isinstance(by, str):
        LogEntry.objects.log_actions(
            user_id=by.pk,
            queryset=[target],
            action_flag=CHANGE,
            change_message=message,
            single_object=True,
        )
