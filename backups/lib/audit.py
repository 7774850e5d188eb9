"""Who did what: one log line an event, and Django's LogEntry where a person did it."""

import json
import logging

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import AbstractUser
from django.db.models import Model

from backups.lib.os_signals import undisturbed
from destinations.lib.redaction import redact
from destinations.lib.terminal import complain

logger = logging.getLogger("backups")

Actor = AbstractUser | str


def name_of(by: Actor) -> str:
    return by if isinstance(by, str) else by.get_username()


def log(event: str, level: int = logging.INFO, /, **fields: object) -> None:
    """Write ``event key=value ...`` on one line, whatever the values hold. A handler that fails ends nothing."""
    _write(event, level, fields)


def crashed(event: str, error: BaseException, /, **fields: object) -> None:
    """Write the same with the traceback of an error that was not foreseen."""
    _write(event, logging.ERROR, fields, error)


def _write(event: str, level: int, fields: dict[str, object], error: BaseException | None = None) -> None:
    words = [f"{key}={_word(value)}" for key, value in fields.items() if value not in (None, "")]
    line = " ".join([event, *words])
    # a handler that was stopped while it reopened its file could not write the next line, which says why
    with undisturbed():
        try:
            logger.log(level, "%s", line, exc_info=error)
        except Exception as failure:  # of a handler: the log is for information, and the work goes on
            complain(redact(f"{logging.getLevelName(level)} {line} (the log failed: {type(failure).__name__})"))


def _word(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and " " not in text and '"' not in text else json.dumps(text)


def note(by: Actor, target: Model, message: str) -> None:
    """Add `message` to the admin history of `target` when a person did it."""
    if not isinstance(by, str):
        LogEntry.objects.log_actions(
            user_id=by.pk,
            queryset=[target],
            action_flag=CHANGE,
            change_message=message,
            single_object=True,
        )
