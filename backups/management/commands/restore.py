from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from backups.errors import BackupError, InstanceBusy, Unrecorded
from backups.lib.filesystem.copy import sha256_of
from backups.management.base import BackupCommand
from backups.management.output.preview import preview_text
from backups.management.output.restore import result_text
from backups.management.quickstart.setup import migrate_if_empty
from backups.management.restore_options import refuse_contradictions, require_file
from backups.models import BackupExecution, RestoreExecution
from backups.models.run import new_id
from backups.runs.finish import cancel, ending_of
from backups.service.archives.extract import extract
from backups.service.restore.describe import describe_restore
from backups.service.restore.dry_run import dry_run_restore
from backups.service.restore.ending.restart import acknowledge
from backups.service.restore.preview.build import preview
from backups.service.restore.preview.signature import PreviewedSignature, preview_signature
from backups.service.restore.preview.summary import Preview
from backups.service.restore.request import RestoreRequest, home_of
from backups.service.restore.start import restore_now, start_restore, start_undo, state_before
from backups.worker.tasks import enqueue
from destinations.lib.formats import counted, listed, printable
from destinations.lib.os_signals import TerminationRequested, exit_status
from destinations.management.base import Error, one_line, operator_name, option_sentence

# longer than for a page: the operator of a command can wait, and press Ctrl-C
SECONDS_FOR_TREES = 3600.0
NOT_AS_BEFORE = 3
NOT_CONFIRMED = "Nothing was restored: this was a preview."


@dataclass(frozen=True, slots=True)
class Target:
    """What is restored, and into which instance."""

    source: BackupExecution | Path
    instance: str
    components: Sequence[str]
    undo_of: RestoreExecution | None = None

    @property
    def archive_sha256(self) -> str:
        if isinstance(self.source, BackupExecution):
            return self.source.archive_sha256
        try:
            return sha256_of(self.source, lambda _: None)
        except OSError as error:
            message = f"{self.source} cannot be read: {error.strerror}."
            raise BackupError(message, hint="Check the path and the permissions.") from error


def _request(target: Target, archive_sha256: str, **options: Any) -> RestoreRequest:
    return RestoreRequest(
        source=target.source,
        instance=target.instance,
        archive_sha256=archive_sha256,
        components=target.components,
        force_invalid_config=options["force_invalid_config"],
        allow_other_instance=options["other_instance"],
        accept_unsigned=options["accept_unsigned"],
        undo_of=target.undo_of,
    )


class Command(BackupCommand):
    help = "Restore an instance: show what that would change, and with --confirm do it."

    def add_options(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("id", nargs="?", help="id of the backup, or its first 8 characters or more")
        which.add_argument("--file", type=Path, metavar="PATH", help="an archive file, known here or not")
        which.add_argument("--undo", metavar="RESTORE_ID", help="restore what that restore replaced")
        which.add_argument("--acknowledge", metavar="RESTORE_ID", help="the service was restarted, the restore is good")
        which.add_argument("--cancel", metavar="RESTORE_ID", help="stop that restore and roll back what it changed")
        parser.add_argument("--instance", metavar="NAME", help="where to; the backup's own unless --file is given")
        parser.add_argument(
            "--component", action="append", default=[], dest="components", metavar="NAME",
            help="only this one (repeatable); also config.file, config.overrides, config.section:NAME",
        )  # fmt: skip
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--confirm", action="store_true", help="do it; without, only a preview is printed")
        how.add_argument("--dry-run", action="store_true", help="fetch and verify everything, change nothing")
        how.add_argument("--to", type=Path, metavar="DIR", help="unpack into this new or empty folder instead")
        parser.add_argument(
            "--queue", action="store_true", help="with --confirm: let a worker do it, and return at once"
        )
        parser.add_argument(
            "--force-invalid-config", action="store_true", help="restore a configuration that is not valid"
        )
        parser.add_argument("--other-instance", action="store_true", help="allow an archive of another instance")
        parser.add_argument(
            "--accept-unsigned", action="store_true", help="allow an archive that no trusted key has signed"
        )

    def run(self, **options: Any) -> None:
        refuse_contradictions(**options)
        if options["acknowledge"]:
            restore = self.find_restore(options["acknowledge"])
            acknowledge(restore, by=operator_name())
            restore.refresh_from_db()
            text = f"acknowledged {restore.pk}: the restore of {restore.instance} is good"
            self.respond(describe_restore(restore), text)
        elif options["cancel"]:
            self._cancel(options["cancel"])
        elif options["to"]:
            self._unpack(**options)
        else:
            target = self._target(**options)
            if options["confirm"]:
                self._restore(target, **options)
            elif options["dry_run"]:
                self._dry_run(target, **options)
            else:
                self._preview(target)

    def _target(self, **options: Any) -> Target:
        if options["undo"]:
            undone = self.find_restore(options["undo"])
            return Target(state_before(undone), undone.instance, [], undone)
        if options["file"]:
            if not options["instance"]:
                raise BackupError("It is not known which instance to restore.", hint="Name it with --instance.")
            require_file(options["file"])
            migrate_if_empty()
            return Target(options["file"].absolute(), options["instance"], options["components"])
        backup = self.find_backup(options["id"])
        if not options["instance"] and (home := home_of(backup)) != backup.instance:
            # a copy of a server has its id too: the command does not choose
            hint = f"By its id the backup is of {home}: name that with --instance {home}."
            raise BackupError(f"There is no instance {backup.instance!r} any more.", hint=hint)
        return Target(backup, options["instance"] or backup.instance, options["components"])

    def _preview_of(self, target: Target, signature: PreviewedSignature) -> Preview:
        return preview(
            target.source,
            target.instance,
            target.components,
            undo_of=target.undo_of,
            trusted=signature.trusted,
            seconds_for_trees=SECONDS_FOR_TREES,
        )

    def _preview(self, target: Target) -> None:
        signature = preview_signature(target.source)
        shown = self._preview_of(target, signature)
        data = {"confirmed": False, "preview": shown.to_dict(), "signature": asdict(signature)}
        self.respond(data, preview_text(shown, signature, undo=target.undo_of is not None))
        raise BackupError(NOT_CONFIRMED, hint="To restore what it shows, run the command again with --confirm.")

    def _dry_run(self, target: Target, **options: Any) -> None:
        signature = preview_signature(target.source)
        shown = self._preview_of(target, signature)
        done = dry_run_restore(_request(target, shown.archive_sha256, **options))
        if any(component.tree is not None and component.tree.unknown for component in shown.components):
            # the backup had no list of the contents of a tree; the dry run has made one from the archive
            shown = self._preview_of(target, signature)
        found = listed([counted(done.files, "file"), counted(done.databases, "database"), counted(done.rows, "row")])
        lines = [f"warning      {printable(note)}" for note in done.notes if note not in shown.warnings]
        before = preview_text(shown, signature, undo=target.undo_of is not None)
        text = "\n".join([before, *map(printable, lines), f"verified     {found}; nothing was changed"])
        data = {"confirmed": False, "preview": shown.to_dict(), "signature": asdict(signature)}
        self.respond(data | {"verified": asdict(done)}, text)

    def _restore(self, target: Target, **options: Any) -> None:
        by = operator_name()

        def start(run_id: str) -> RestoreExecution:
            if target.undo_of is not None:
                return start_undo(target.undo_of, by=by, run_id=run_id)
            return start_restore(_request(target, target.archive_sha256, **options), by=by, run_id=run_id)

        if options["queue"]:
            restore = start("")
            enqueue(restore)
            self.respond(describe_restore(restore), f"queued as {restore.pk}")
            return
        restore = self._run(start, target.instance, by)
        self.respond(describe_restore(restore), result_text(restore))

    def _run(self, start: Callable[[str], RestoreExecution], instance: str, by: str) -> RestoreExecution:
        # known before there is a row: after an error the row is found by it
        run_id = new_id()
        try:
            return restore_now(start, instance, by=by, run_id=run_id)
        except (InstanceBusy, Unrecorded):
            # their message says more than the row, which after Unrecorded is out of date
            raise
        except BaseException as error:
            # the row also says in what state the instance is
            runs = RestoreExecution.objects.select_related("execution", "safety_backup__destination")
            restore = runs.filter(pk=run_id).first()
            if restore is None:
                raise
            if restore.status == restore.Status.COMPLETED:
                return restore  # the signal came when the data was verified already
            if self.as_json:
                self.respond(describe_restore(restore), "")
            ending = ending_of(error)
            hint = restore.error_hint or ending.hint or f"`showrestore {restore.pk[:8]}` shows it."
            message = one_line(restore.error_message or ending.message, hint, option_sentence(error))
            code = exit_status(error) if isinstance(error, KeyboardInterrupt | TerminationRequested) else 1
            # that the instance is changed matters more than what ended the restore
            raise Error(message, returncode=NOT_AS_BEFORE if restore.touched else code) from error

    def _unpack(self, **options: Any) -> None:
        if options["file"]:
            require_file(options["file"])
        source = options["file"] or self.find_backup(options["id"])
        done = extract(source, options["to"].absolute(), options["components"], by=operator_name())
        data = {
            "directory": str(done.directory),
            "files": [entry.file for entry in done.files],
            "folders": [entry.component for entry in done.trees],
            "bytes": done.size_bytes,
            "rows": done.rows,
            "warnings": list(done.notes),
        }
        found = listed(
            [counted(len(done.files), "file"), counted(len(done.trees), "folder"), counted(done.rows, "row")]
        )
        sound = "every checksum agrees" if done.notes else "every checksum agrees, every database is sound"
        lines = [f"unpacked     {done.directory}: {found}; {sound}", *(f"warning      {text}" for text in done.notes)]
        self.respond(data, "\n".join(map(printable, lines)))

    def _cancel(self, reference: str) -> None:
        restore = self.find_restore(reference)
        cancel(restore, by=operator_name())
        restore.refresh_from_db()
        waiting = restore.status == restore.Status.CANCELLED
        done = "had not begun" if waiting else "stops, and what it changed is rolled back"
        self.respond(describe_restore(restore), f"cancelled    {restore.pk}: the restore of {restore.instance} {done}")
