from typing import Any

from django.core.management.base import CommandParser

from backups.archive.manifest.document import Manifest
from backups.errors import BackupError
from backups.management.base import BackupCommand, add_archive_arguments
from backups.runs.describe import describe, describe_log, readable_log
from backups.service.archives.verify import manifest_of_file
from backups.service.drops.episodes import drops_of
from destinations.lib.formats import human_size, printable

ROW = "  {:12}  {:24}  {:9}  {:>10}  {:>10}  {}"


class Command(BackupCommand):
    help = "Show one backup and its contents."

    def add_options(self, parser: CommandParser) -> None:
        add_archive_arguments(parser)
        parser.add_argument("--log", action="store_true", help="show the log lines of the backup too")

    def run(self, **options: Any) -> None:
        if options["file"]:
            if options["log"]:
                raise BackupError(
                    "--log needs the backup of this site, which a file does not name.", hint="Leave it out."
                )
            manifest = manifest_of_file(options["file"])
            self.respond({"manifest": manifest.to_dict()}, contents(manifest))
            return
        backup = self.find_backup(options["id"])
        data = describe(backup)
        verdicts = {name: data[name] for name in ("drill", "verification") if data[name]}
        shown = data | {name: f"{result['verdict']} at {result['at']}" for name, result in verdicts.items()}
        shown["copies"] = "; ".join(
            f"{copy['destination']} {copy['condition']} {copy['error']}".strip() for copy in data["copies"]
        )
        del shown["amounts"]
        shown["drops"] = "; ".join(f"{drop} ({by or 'not confirmed'})" for drop, by in drops_of(backup))
        lines = [printable(f"{key:22} {value}") for key, value in shown.items() if value not in (None, "", [])]
        if backup.manifest_json:
            lines += ["", contents(Manifest.from_dict(backup.manifest_json))]
        data["manifest"] = backup.manifest_json
        if options["log"]:
            data["log"] = describe_log(backup)
            lines += ["", *readable_log(backup)]
        self.respond(data, "\n".join(lines))


def contents(manifest: Manifest) -> str:
    head = [
        f"{manifest.instance_name} on {manifest.hostname}, {manifest.backup_type}, {manifest.timestamp_utc},"
        f" by {manifest.triggered_by}" + (f", SQLite {manifest.sqlite_version}" if manifest.sqlite_version else ""),
        ROW.format("component", "file", "type", "rows", "size", "SHA-256"),
    ]
    rows = [
        ROW.format(
            entry.component or "-",
            entry.file,
            entry.type,
            "?" if entry.not_counted else "-" if entry.records is None else entry.records,
            human_size(entry.size_bytes),
            entry.checksum_sha256,
        )
        for entry in manifest.contents
    ]
    return "\n".join(map(printable, [*head, *rows, *(f"  warning: {text}" for text in manifest.warnings)]))
