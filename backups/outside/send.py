"""Sending a notice directly: without rows, a worker or the channels of the site."""

import importlib
import json
import smtplib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.core.mail import EmailMessage, get_connection

from backups.outside.http import ask, require_url
from backups.outside.problem import Problem, Severity, worst
from destinations.lib.formats import printable
from destinations.lib.operator_error import OperatorError

# a network that was just switched on, a server that restarts
TRIES = 2


@dataclass(frozen=True, slots=True)
class Receivers:
    """Where notices go; `ping` gets one after each look, the others when something has changed."""

    mail: Sequence[str] = ()
    webhook: Sequence[str] = ()
    apprise: Sequence[str] = ()
    ping: Sequence[str] = ()

    def require_valid(self) -> None:
        """Raise OperatorError for an address that nothing can be sent to."""
        for url in self.webhook:
            require_url(url, "the webhook")
        for url in self.ping:
            require_url(url, "the ping")
        if self.mail and not settings.EMAIL_HOST:
            raise OperatorError("No mail server is set.", "Set EMAIL_HOST: docs/configuration.md.")


def subject_of(problems: Sequence[Problem], site: str) -> str:
    if not problems:
        return f"backupsite {site}: everything is in order again"
    first = problems[0].text
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"backupsite {site}: {worst(problems).name}: {first}{more}"


def send_directly(problems: Sequence[Problem], receivers: Receivers, *, site: str, seconds: float) -> list[Problem]:
    """Send `problems`, or that there are none any more, to each of `receivers`; return those that were not reached."""
    subject = subject_of(problems, site)
    text = "\n".join([subject, "", *(problem.line for problem in problems)])
    tasks: list[tuple[str, Callable[[], None]]] = []
    if receivers.mail:
        tasks.append(("mail", partial(_mail, receivers.mail, subject, text, seconds)))
    tasks += [("webhook", partial(_webhook, url, problems, subject, text, seconds)) for url in receivers.webhook]
    tasks += [("apprise", partial(_apprise, url, subject, text)) for url in receivers.apprise]
    return _carried_out(tasks)


def ping(problems: Sequence[Problem], receivers: Receivers, *, site: str, seconds: float) -> list[Problem]:
    """Tell each ping receiver that the watch works, and whether it found something; return those not reached."""
    text = "\n".join(problem.line for problem in problems) or subject_of((), site)
    return _carried_out([("ping", partial(_ping, url, bool(problems), text, seconds)) for url in receivers.ping])


def _carried_out(tasks: Sequence[tuple[str, Callable[[], None]]]) -> list[Problem]:
    failed = []
    for name, send in tasks:
        for attempt in range(1, TRIES + 1):
            try:
                send()
                break
            except OperatorError as error:
                if attempt == TRIES:
                    text = f"The notice by {name} was not sent: {error.message}"
                    # a failed sending is told by the exit code, and to the other receivers by their silence alone
                    failed.append(Problem(Severity.UNKNOWN, f"not-sent-{name}", text, error.hint))
    return failed


def _mail(to: Sequence[str], subject: str, text: str, seconds: float) -> None:
    try:
        connection = get_connection(timeout=seconds)
        EmailMessage(printable(subject)[:200], text, to=list(to), connection=connection).send()
    # smtplib raises its own for answers of the server, OSError for the network, ValueError for a header or an address
    except (OSError, ValueError, smtplib.SMTPException) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise OperatorError(f"The mail server {settings.EMAIL_HOST} did not take it: {reason}.") from None


def _webhook(url: str, problems: Sequence[Problem], subject: str, text: str, seconds: float) -> None:
    # `text` is what Slack, Mattermost and their like show
    body = {"text": text, "subject": subject, "problems": [problem.to_dict() for problem in problems]}
    _require_taken(url, json.dumps(body).encode(), "application/json", seconds)


def _ping(url: str, failed: bool, text: str, seconds: float) -> None:
    parts = urlsplit(url)
    path = parts.path.rstrip("/") + ("/fail" if failed else "")
    _require_taken(
        urlunsplit(parts._replace(path=path)),
        text.encode(errors="backslashreplace"),
        "text/plain; charset=utf-8",
        seconds,
    )


def _require_taken(url: str, body: bytes, content_type: str, seconds: float) -> None:
    answer = ask(url, body=body, headers={"Content-Type": content_type}, seconds=seconds)
    if not 200 <= answer.status < 300:
        raise OperatorError(f"{urlsplit(url).hostname} answered with status {answer.status}.")


def _apprise(url: str, subject: str, text: str) -> None:
    try:
        # of a second to import, and needed by few
        apprise = importlib.import_module("apprise")
    except ImportError:
        raise OperatorError("The package apprise is not installed.", "Install it: pip install apprise.") from None
    sender = apprise.Apprise()
    if not sender.add(url):
        raise OperatorError("The Apprise URL is not valid.", "Its documentation lists the form of each service.")
    if not sender.notify(body=text, title=subject):
        raise OperatorError("The service of the Apprise URL did not take it.")
