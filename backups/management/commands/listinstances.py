from typing import Any

from django.core.management.base import CommandParser

from backups.errors import BackupError
from backups.instances import inventory
from backups.management.base import BackupCommand
from backups.runs.queue.queues import queue_of
from destinations.lib.formats import printable


class Command(BackupCommand):
    help = "List the instances of the instances file, with their labels."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("--label", metavar="LABEL", help="only those with this label")

    def run(self, **options: Any) -> None:
        known, label = inventory(), options["label"]
        if (problem := known.file_problem) is not None:
            raise BackupError(str(problem), hint=problem.hint)
        rows = [
            {
                "name": one.name,
                "kind": one.kind,
                "root": printable(str(one.root)),
                "queue": queue_of(one.name),
                "labels": list(one.labels),
                "components": list(one.component_names),
                "problem": "",
            }
            for one in known.instances.values()
            if label is None or label in one.labels
        ]
        if label is None:
            empty: dict[str, Any] = {"kind": "", "root": "", "queue": "", "labels": [], "components": []}
            rows += [{"name": one.instance, **empty, "problem": str(one)} for one in known.problems]
        rows.sort(key=lambda row: str(row["name"]))
        self.respond(rows, "\n".join(map(_line, rows)) or "no instances")


def _line(row: dict[str, Any]) -> str:
    if row["problem"]:
        return f"{row['name']}: has configuration errors: {row['problem']}"
    labels = f", labels {', '.join(row['labels'])}" if row["labels"] else ""
    return f"{row['name']}: {row['kind']} in {row['root']}, queue {row['queue']}{labels}"
