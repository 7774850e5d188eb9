"""The command `checkoverdue`, as far as it needs no database: its options, its output and its notices."""

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import CommandError, CommandParser

from backups.outside.memory import Memory
from backups.outside.problem import URGENCY, Problem, Severity, worst
from backups.outside.read_health import problems_at, read_token
from backups.outside.send import Receivers, ping, send_directly
from destinations.lib.operator_error import OperatorError
from destinations.management.base import OperatorCommand

# its name in the memory, what it tells, and what sends that and returns what was not sent
Way = tuple[str, Sequence[Problem], Callable[[], list[Problem]]]
IN_ORDER = "OK: No instance is overdue, and the site does its work."


class CheckOverdue(OperatorCommand):
    """Looks once. Its exit codes are those of Nagios plug-ins: 0 in order, 1 at risk, 2 critical, 3 not known."""

    help = "Report what is overdue, and that the site itself has fallen silent. For cron, a timer and Nagios."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("--url", metavar="URL", help="read /health of a site there, instead of the rows here")
        parser.add_argument(
            "--token-file", type=Path, metavar="FILE", help="holds BACKUP_MONITORING_TOKEN of that site"
        )
        parser.add_argument("--ca-file", type=Path, metavar="FILE", help="authority that signed its certificate")
        parser.add_argument("--at-risk", action="store_true", help="report what puts instances at risk too, with 1")
        parser.add_argument(
            "--timeout", type=float, default=30.0, metavar="SECONDS", help="for each answer (default: 30)"
        )
        for name, text in (
            ("--mail", "send a notice there by the mail settings"),
            ("--webhook", "post a notice there as JSON"),
            ("--apprise", "send a notice there by Apprise"),
            ("--ping", "report each look there, as healthchecks.io takes it"),
        ):
            value = "ADDRESS" if name == "--mail" else "URL"
            parser.add_argument(name, action="append", default=[], metavar=value, help=f"{text}; may be given again")
        parser.add_argument(
            "--only-silence", action="store_true", help="send only what the site cannot report by itself"
        )
        parser.add_argument(
            "--repeat", type=float, default=24.0, metavar="HOURS", help="send a reminder after that (default: 24)"
        )
        parser.add_argument("--memory", type=Path, metavar="FILE", help="remembers what was sent (default: in /tmp)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            super().handle(*args, **options)
        except CommandError as error:
            # whatever kept it from looking: 1 would read as a warning
            if error.returncode == 1:
                error.returncode = int(Severity.UNKNOWN)
            raise

    def run(self, **options: Any) -> None:
        if options["timeout"] <= 0:
            raise OperatorError("--timeout must be more than 0.")
        receivers = Receivers(*(_values(options[name]) for name in ("mail", "webhook", "apprise", "ping")))
        receivers.require_valid()
        problems = self.look(**options)
        if not options["at_risk"]:
            problems = [problem for problem in problems if problem.severity is not Severity.WARNING]
        problems.sort(key=lambda problem: -URGENCY.index(problem.severity))
        problems += self._tell(problems, receivers, **options)
        code = worst(problems)
        lines = [problem.line for problem in problems] or [IN_ORDER]
        data = {"exit_code": int(code), "problems": [problem.to_dict() for problem in problems]}
        self.respond(data, "\n".join(lines))
        if code:
            sys.exit(code)

    def look(self, **options: Any) -> list[Problem]:
        """Return what is wrong now. Raises OperatorError when that cannot be asked."""
        url, token_file = options["url"], options["token_file"]
        if not url:
            raise OperatorError("There is no site here.", "Name the health of one with --url.")
        token = read_token(token_file) if token_file else ""
        return problems_at(url, token=token, seconds=options["timeout"], ca_file=options["ca_file"])

    def site(self, url: str | None) -> str:
        """Return the name of the site in notices."""
        return (urlsplit(url).hostname if url else "") or os.uname().nodename

    def ways(
        self, problems: Sequence[Problem], receivers: Receivers, *, site: str, seconds: float, **options: Any
    ) -> Iterator[Way]:
        """Yield the ways by which notices go; each remembers for itself what it sent."""
        told = [problem for problem in problems if problem.is_silence or not options["only_silence"]]
        if receivers.mail or receivers.webhook or receivers.apprise:
            yield "", told, partial(send_directly, told, receivers, site=site, seconds=seconds)

    def _tell(self, problems: Sequence[Problem], receivers: Receivers, **options: Any) -> list[Problem]:
        """Send what is news by each way; return what went wrong with that."""
        site, seconds = self.site(options["url"]), min(options["timeout"], 15.0)
        failed = ping(problems, receivers, site=site, seconds=seconds)
        path = options["memory"] or _default_memory(options["url"] or site)
        for name, told, send in self.ways(problems, receivers, site=site, seconds=seconds, **options):
            memory = Memory(path.with_name(path.name + name), options["repeat"] * 3600)
            if memory.is_news(told):
                not_sent = send()
                failed += not_sent
                # what was not sent is sent by the next look
                reason = "" if not_sent else memory.keep(told)
            else:
                reason = memory.forget_ended(told)
            if reason:
                text = f"What was sent cannot be remembered in {memory.path}: {reason}."
                failed.append(Problem(Severity.WARNING, "no-memory", text, "Until then each look sends a notice."))
        return failed


def _default_memory(site: str) -> Path:
    digest = hashlib.sha256(site.encode()).hexdigest()[:12]
    # not by tempfile, which raises where a full disk takes no file. Whose file it is, is looked at when it is read.
    folder = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108
    return Path(folder, f"backupsite-checkoverdue-{os.geteuid()}-{digest}.json")


def _values(given: Sequence[str]) -> list[str]:
    """Return the addresses; one that begins with a slash is a file that holds it, as other users see arguments."""
    found = []
    for value in given:
        if value.startswith("/"):
            try:
                value = Path(value).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
                raise OperatorError(f"The file {value} cannot be read: {reason}.") from None
        found.append(value)
    return found
