from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from backups.errors import BackupError
from backups.instances.kinds.backupsite.facts import SETTINGS
from backups.management.base import BackupCommand
from backups.management.restore_options import require_file
from backups.service.own_state.restore import SitePreview, preview_site, restore_site, undo_site
from destinations.lib.formats import counted, printable
from destinations.management.base import operator_name

NOT_CONFIRMED = "Nothing was restored: this was a preview."
STOP_FIRST = "Stop the web server and all workers of this site, then run the command again with --confirm."


class Command(BackupCommand):
    help = "Restore this site itself from a backup of it: show what that would do, and with --confirm do it."

    def add_options(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("archive", nargs="?", type=Path, help="archive file of an instance of kind backupsite")
        which.add_argument("--undo", type=Path, metavar="FOLDER", help="bring back the state that a restore kept there")
        parser.add_argument(
            "--identity", action="append", default=[], type=Path, metavar="FILE",
            help="an age identity that opens the archive (repeatable), beside those that are configured",
        )  # fmt: skip
        parser.add_argument("--confirm", action="store_true", help="do it; without, only a preview is printed")
        parser.add_argument(
            "--accept-unsigned", action="store_true", help="allow an archive that no trusted key has signed"
        )

    def run(self, **options: Any) -> None:
        confirm, accept = options["confirm"], options["accept_unsigned"]
        if options["undo"]:
            if options["identity"] or accept:
                raise BackupError(
                    "--undo takes neither --identity nor --accept-unsigned.",
                    hint="It opens no archive: leave them out.",
                )
            self._undo(options["undo"].absolute(), confirm=confirm)
            return
        for path in (options["archive"], *options["identity"]):
            require_file(path)
        archive = options["archive"].absolute()
        with _identities(options["identity"]):
            if not confirm:
                shown = preview_site(archive, accept_unsigned=accept)
                self.respond({"confirmed": False, "preview": _described(shown)}, "\n".join(_lines(shown)))
                raise BackupError(NOT_CONFIRMED, hint=STOP_FIRST)
            done = restore_site(archive, accept_unsigned=accept, by=operator_name())
        data = {"confirmed": True, "preview": _described(done.preview), "notes": done.notes}
        data["replaced"] = str(done.replaced) if done.replaced else None
        lines = [
            f"completed    this site as {done.preview.facts.host} had it, of {done.preview.manifest.timestamp_utc}"
        ]
        lines += [f"warning      {printable(note)}" for note in done.notes]
        if done.replaced:
            lines.append(f"replaced     {done.replaced} has the state before")
            lines.append(f"undo         manage.py restoresite --undo {done.replaced} --confirm")
        lines.append("next         manage.py check --database default; then start the web server and a worker")
        lines.append(
            "then         manage.py importbackups DESTINATION, for what was stored since; it needs the identity"
        )
        self.respond(data, "\n".join(lines))

    def _undo(self, folder: Path, *, confirm: bool) -> None:
        if not confirm:
            raise BackupError("Nothing was changed: --undo needs --confirm.", hint=STOP_FIRST)
        replaced = undo_site(folder, by=operator_name())
        lines = [f"completed    this site as {folder} had it"]
        lines += [f"replaced     {replaced} has the state before"] if replaced else []
        self.respond({"undone": str(folder), "replaced": str(replaced) if replaced else None}, "\n".join(lines))


@contextmanager
def _identities(paths: list[Path]) -> Iterator[None]:
    before = settings.BACKUP_ENCRYPTION_IDENTITY_FILE
    settings.BACKUP_ENCRYPTION_IDENTITY_FILE = [*before, *(str(path.absolute()) for path in paths)]
    try:
        yield
    finally:
        settings.BACKUP_ENCRYPTION_IDENTITY_FILE = before


def _described(shown: SitePreview) -> dict[str, Any]:
    return {
        "host": shown.facts.host,
        "version": shown.facts.version,
        "database": shown.facts.database,
        "taken_at": shown.manifest.timestamp_utc,
        "components": list(shown.manifest.components),
        "signature": shown.signature,
        "refusals": list(shown.refusals),
        "notes": list(shown.notes),
    }


def _lines(shown: SitePreview) -> Iterator[str]:
    facts, manifest = shown.facts, shown.manifest
    yield f"site         of {printable(facts.host)}, release {printable(facts.version)}, on {printable(facts.database)}"
    yield f"taken        {manifest.timestamp_utc}"
    yield f"signature    {shown.signature}"
    for name in manifest.components:
        entries = manifest.entries_of(name)
        rows = sum(entry.records or 0 for entry in entries)
        found = ", ".join(printable(entry.file) for entry in entries)
        rows_text = f", {counted(rows, 'row')}" if rows else ""
        # the settings are listed for a person: they are of the environment
        verb = "restores" if name != SETTINGS else "lists"
        yield f"{verb:12} {name}: {found}{rows_text}"
    yield from (f"refused      {printable(refusal.of_command)}" for refusal in shown.refusals)
    yield from (f"warning      {printable(text)}" for text in shown.notes)
