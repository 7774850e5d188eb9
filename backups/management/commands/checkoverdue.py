from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from django.core.management.base import CommandParser
from django.db import DatabaseError

from backups.models import NotificationChannel
from backups.notifications.direct import channels_of_site, send_at_once
from backups.outside.management.base import CheckOverdue, Way
from backups.outside.problem import Problem, Severity
from backups.outside.send import Receivers, subject_of
from backups.service.monitoring.check_overdue import problems_here
from backups.service.monitoring.check_overdue.database import opened_for_reading
from backups.service.monitoring.check_overdue.look import within


class Command(CheckOverdue):
    def add_options(self, parser: CommandParser) -> None:
        super().add_options(parser)
        parser.add_argument(
            "--channels", action="store_true", help="send by the channels of this site what it cannot report by itself"
        )

    def look(self, **options: Any) -> list[Problem]:
        return super().look(**options) if options["url"] else problems_here(options["timeout"])

    def ways(
        self, problems: Sequence[Problem], receivers: Receivers, *, site: str, seconds: float, **options: Any
    ) -> Iterator[Way]:
        yield from super().ways(problems, receivers, site=site, seconds=seconds, **options)
        if options["channels"]:
            silence = [problem for problem in problems if problem.is_silence]
            yield "-channels", silence, partial(_send_by_channels, silence, site, options["timeout"])


def _send_by_channels(problems: Sequence[Problem], site: str, seconds: float) -> list[Problem]:
    """Send `problems` by the channels of the site, as far as its database can be read; return what was not sent."""
    try:
        channels = within(seconds, _channels)
    except TimeoutError:
        channels = None
    if not channels:
        text = "No notice was sent by a channel: " + (
            "the database cannot be read." if channels is None else "none is enabled for the whole site."
        )
        hint = "Give an address that needs no row too: docs/monitoring.md."
        return [Problem(Severity.UNKNOWN, "not-sent-channels", text, hint)]
    subject = subject_of(problems, site)
    text = "\n".join([subject, "", *(problem.line for problem in problems)])
    return [
        Problem(
            Severity.UNKNOWN,
            f"not-sent-channel/{name}",
            f"The notice by channel {name} was not sent: {error.message}",
            error.hint,
        )
        for name, error in send_at_once(channels, subject, text, is_over=not problems).items()
    ]


def _channels() -> list[NotificationChannel] | None:
    try:
        with opened_for_reading():
            return channels_of_site()
    except DatabaseError:
        # told as such by the look itself
        return None
