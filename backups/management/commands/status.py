import json
from collections import Counter
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from backups.instances import inventory
from backups.management.base import BackupCommand
from backups.service.monitoring.protection import taken_at
from backups.service.monitoring.verdict import (
    Level,
    Reason,
    Verdict,
    describe_reason,
    describe_verdict,
    require_known,
    site_reasons,
    verdicts,
    worst,
)
from destinations.lib.formats import counted, printable

# of a Nagios plug-in, by exit code
WORDS = ("OK", "WARNING", "CRITICAL")
UNKNOWN = 3


class Command(BackupCommand):
    help = "Print how well the instances are protected, as a Nagios plug-in: exit code 0, 1, 2, or 3 for unknown."
    level = Level.PROTECTED

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("instance", nargs="?", help="only this one; without, all of them and the site")

    def handle(self, *args: Any, **options: Any) -> None:
        as_json = options["as_json"]
        try:
            super().handle(*args, **options)
        except CommandError as error:
            # it proves nothing about the backups, and a plug-in says so on standard output
            text = printable(str(error))
            self.stdout.write(
                json.dumps({"level": "unknown", "error": text}) if as_json else f"BACKUPS UNKNOWN: {text}"
            )
            raise SystemExit(UNKNOWN) from error
        if self.level.exit_code:
            raise SystemExit(self.level.exit_code)

    def run(self, **options: Any) -> None:
        name = options["instance"]
        if name:
            require_known(name)
        judged = sorted(verdicts([name] if name else None), key=lambda verdict: verdict.urgency)
        of_site = [] if name else site_reasons(judged)
        self.level = worst([*(verdict.level for verdict in judged), *(reason.level for reason in of_site)])
        first = _of_one(judged[0]) if name else _of_all(judged, of_site)
        lines = [f"BACKUPS {WORDS[self.level.exit_code]}: {first}"]
        for reason in of_site:
            lines += _reason_lines("site", reason)
        for verdict in judged:
            for reason in verdict.reasons:
                lines += _reason_lines(verdict.instance, reason)
        instances = inventory().instances
        data = {
            "level": self.level.value,
            "site": [describe_reason(reason) for reason in of_site],
            "instances": [describe_verdict(verdict, instances) for verdict in judged],
        }
        self.respond(data, "\n".join(lines))


def _of_all(judged: list[Verdict], of_site: list[Reason]) -> str:
    """Return the rest of the first line about all instances, with the data for graphs behind a bar."""
    counts = Counter(verdict.level for verdict in judged)
    named = [
        counted(counts[level], f"instance {level.label.lower()}", f"instances {level.label.lower()}") for level in Level
    ]
    worst_first = [f"{verdict.instance} ({verdict.reasons[0].code})" for verdict in judged if verdict.reasons]
    codes = [*(reason.code for reason in of_site), *worst_first]
    more = f", {len(codes) - 3} more" if len(codes) > 3 else ""
    first = f": {', '.join(codes[:3])}{more}" if codes else ""
    graphed = " ".join(f"{level.value.replace('-', '_')}={counts[level]}" for level in Level)
    return f"{', '.join(named)}{_without_bar(first)} | {graphed}"


def _of_one(verdict: Verdict) -> str:
    facts, data = verdict.facts, []
    if facts.good is not None:
        taken = taken_at(facts.good)
        limit = int((facts.overdue_from - taken).total_seconds()) if facts.overdue_from else ""
        data.append(f"age={int((timezone.now() - taken).total_seconds())}s;;{limit};0")
    if facts.restore_time is not None:
        data.append(f"restore={facts.restore_time.total_seconds():.1f}s;;;0")
    codes = ", ".join(reason.key for reason in verdict.reasons)
    text = f"{verdict.instance} is {verdict.label.lower()}" + (f": {codes}" if codes else "")
    return _without_bar(text) + (f" | {' '.join(data)}" if data else "")


def _reason_lines(name: str, reason: Reason) -> list[str]:
    accepted = reason.accepted
    note = f" (accepted until {accepted.until} by {accepted.by}: {accepted.text})" if accepted else ""
    line = f"{reason.level.label}: {name}: {reason.key}: {reason.text}{note}"
    return [_without_bar(printable(line)), _without_bar(printable(f"    {reason.hint}"))]


def _without_bar(text: str) -> str:
    # it begins the data for graphs
    return text.replace("|", "/")
