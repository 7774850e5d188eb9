from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser

from backups.management.base import BackupCommand
from backups.service.monitoring.destination_facts import DestinationFacts, describe_destination, facts_of
from backups.service.retention.rules.backup import WITHOUT_END
from destinations.lib.formats import counted, human_duration, human_size, printable
from destinations.models import BackupDestination
from destinations.providers import warnings_about


class Command(BackupCommand):
    help = "Show a destination: place, rule, archives by instance, and the last test with its steps."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("name")

    def run(self, **options: Any) -> None:
        facts = facts_of(self.find_destination(options["name"]))
        warnings = warnings_about(facts.destination)
        lines = [*_lines(facts), *(f"warning      {warning}" for warning in warnings)]
        self.respond(describe_destination(facts) | {"warnings": warnings}, "\n".join(map(printable, lines)))


def _lines(facts: DestinationFacts) -> list[str]:
    destination, test = facts.destination, facts.last_test
    lines = [
        f"name         {destination.name}{'' if destination.enabled else ' (disabled)'}",
        f"type         {destination.get_type_display()}",
        f"location     {destination.location_text}",
        f"encryption   {destination.policy}",
        f"keeps        {destination.rule_text}",
        f"read today   {human_size(facts.read_today)} of {_budget(destination)}",
        f"archives     {counted(facts.archives, 'archive')}, {human_size(facts.size_bytes)}, {facts.missing} missing",
    ]
    lines += [
        f"  {held.instance}: {counted(held.archives, 'archive')}, {human_size(held.size_bytes)}, "
        f"{held.oldest:%Y-%m-%d} to {held.newest:%Y-%m-%d}"
        for held in facts.held
    ]
    if facts.free_space:
        lines.append(f"free space   {facts.free_space}, at the last test")
    if facts.locked_until is not None:
        lines.append(f"locked       {counted(facts.locked, 'archive')}, the last one {_end(facts.locked_until)}")
    if facts.last_pass is not None:
        lines.append(f"daily pass   {facts.last_pass}, next {facts.last_pass.next_at:%Y-%m-%d %H:%M} UTC")
    if test is None:
        return [*lines, "last test    never"]
    lines.append(f"last test    {test}")
    lines += [f"  {step['name']}: {step['detail']} ({human_duration(step['seconds'])})" for step in test.steps]
    return lines if test.passed else [*lines, f"  {test.error} {test.hint}"]


def _budget(destination: BackupDestination) -> str:
    budget = destination.daily_read_bytes
    return "no limit" if budget is None else f"{human_size(budget)} (daily reading budget)"


def _end(until: datetime) -> str:
    return "by a legal hold" if until >= WITHOUT_END else f"until {until:%Y-%m-%d %H:%M} UTC"
