from typing import Any

from backups.management.base import BackupCommand
from backups.service.monitoring.destination_facts import DestinationFacts, describe_destination, facts_of_each
from destinations.lib.formats import counted, human_size, printable
from destinations.models import BackupDestination


class Command(BackupCommand):
    help = "List the destinations: where they are, what they hold, and how the last test ended."

    def run(self, **options: Any) -> None:
        found = facts_of_each(list(BackupDestination.objects.all()))
        text = "\n".join(printable(_line(facts)) for facts in found)
        self.respond([describe_destination(facts) for facts in found], text or "no destinations")


def _line(facts: DestinationFacts) -> str:
    destination, test = facts.destination, facts.last_test
    state = "" if destination.enabled else " (disabled)"
    state += " (append-only)" if destination.append_only else ""
    missing = f", {facts.missing} missing" if facts.missing else ""
    tested = f"test {test}" if test else "never tested"
    return (
        f"{destination.name}{state}: {destination.type} at {destination.location_text}, "
        f"{counted(facts.archives, 'archive')} ({human_size(facts.size_bytes)}){missing}, {tested}"
    )
