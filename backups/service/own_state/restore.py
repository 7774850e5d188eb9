"""Restoring this site itself from an archive file, while none of its processes runs."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from backups.archive.manifest.document import Manifest
from backups.components import ApplyContext, ExportContext
from backups.errors import BackupError, WorkspaceBusy
from backups.instances.kinds.backupsite.database import ALIAS
from backups.instances.kinds.backupsite.facts import MEMBER, SiteFacts
from backups.instances.kinds.backupsite.kind import BackupSite, unfinished_mark
from backups.instances.kinds.backupsite.postgres import DUMP
from backups.instances.kinds.backupsite.untrusted_dump import require_plain
from backups.lib import audit
from backups.lib.filesystem.atomic import create_private
from backups.lib.filesystem.copy import copy_stable
from backups.lib.os_signals import defer_signals
from backups.lib.paths import size_or_zero
from backups.models import RestoreExecution
from backups.runs.finish import message_of
from backups.runs.workspace import require_space, workspace
from backups.service.archives.extract import unpack_archive
from backups.service.archives.signatures import State, require_signature, signature_state
from backups.service.own_state.notes import notes_after, notes_before
from backups.service.own_state.present import (
    keep_present,
    kept_state,
    put_back,
    replace_state,
    site_components,
    what_runs,
)
from backups.service.own_state.settle import statements
from backups.service.restore.preview.refusal import Refusal
from destinations.lib.disks import write_hint
from destinations.lib.formats import listed
from destinations.lib.operator_error import OperatorError, sentences

# its name is the lock: two of them cannot run side by side
WORKSPACE = "restoresite"
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class SitePreview:
    """What a restore of the site would do. `refusals` stop it; `signature` says who signed the archive."""

    manifest: Manifest
    facts: SiteFacts
    signature: str
    trusted: bool
    refusals: tuple[Refusal, ...]
    notes: tuple[str, ...]


@dataclass(slots=True)
class SiteRestored:
    """What was restored; `replaced` is the folder with the state before, None where there was none."""

    preview: SitePreview
    replaced: Path | None
    notes: list[str] = field(default_factory=list)


@contextmanager
def staged_site(archive: Path, *, accept_unsigned: bool) -> Iterator[tuple[SitePreview, Path]]:
    """Yield the preview of a restore from the file `archive`, and the folder with its verified members.

    Nothing is changed. Raises OperatorError for a damaged archive, one of another service, or one without its key.
    """
    signature = signature_state(archive)
    trusted = signature.state is State.SIGNED
    with _only_here() as directory:
        fetched = directory / "fetched" / archive.name
        fetched.parent.mkdir(mode=0o700)
        require_space(directory, size_or_zero(archive))
        copy_stable(archive, fetched, lambda _: None)
        if trusted or accept_unsigned:
            # of the private copy: the file may have been replaced since
            require_signature(RestoreExecution(archive_file=str(archive), accept_unsigned=accept_unsigned), fetched)
        staged = directory / "staged"
        manifest = unpack_archive(fetched, staged, directory, trusted=trusted).manifest
        fetched.unlink()
        if manifest.kind != BackupSite.kind:
            raise BackupError(
                f"{archive.name} is no backup of this site itself: it is of {manifest.instance_name}.",
                hint="Restore it with `manage.py restore --file`.",
            )
        BackupSite.check_unpacked(staged, manifest)
        if not trusted and manifest.entry(DUMP) is not None:
            # seen in the preview already
            require_plain(staged / DUMP)
        facts = SiteFacts.read(staged / MEMBER)
        running = what_runs(timezone.now())
        refusals = [Refusal(text) for text in (*_refusals(facts), *running)]
        if not (trusted or accept_unsigned):
            text = f"The archive is {signature}. Put the public key of the recovery kit into BACKUP_TRUSTED_KEYS."
            refusals.append(Refusal(text, option="--accept-unsigned"))
        notes = tuple(notes_before(manifest, facts, trusted=trusted))
        yield SitePreview(manifest, facts, str(signature), trusted, tuple(refusals), notes), staged


@contextmanager
def _only_here() -> Iterator[Path]:
    try:
        with workspace(WORKSPACE) as directory:
            yield directory
    except WorkspaceBusy as error:
        raise BackupError("Another process restores this site.", hint="Wait for its end.") from error


def _refusals(facts: SiteFacts) -> Iterator[str]:
    vendor = connections[ALIAS].vendor
    if facts.database != vendor:
        yield (
            f"The archive holds a database of {facts.database}, and this site is set up with {vendor}: correct"
            " DATABASE_URL."
        )
    known = {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}
    if unknown := sorted(set(facts.migrations) - known):
        more = [f"{len(unknown) - MOST_NAMED} more"] if len(unknown) > MOST_NAMED else []
        yield (
            f"The archive was made by release {facts.version}, whose database has what this release does not know"
            f" ({listed([*unknown[:MOST_NAMED], *more])}): install that release or a newer one."
        )


def preview_site(archive: Path, *, accept_unsigned: bool) -> SitePreview:
    """Verify the file `archive` and return what a restore of the site from it would do. Raises as `staged_site`."""
    with staged_site(archive, accept_unsigned=accept_unsigned) as (preview, _):
        return preview


def restore_site(archive: Path, *, accept_unsigned: bool, by: str) -> SiteRestored:
    """Restore this site from the file `archive`: keys, instances file and database, the last in one transaction.

    Raises OperatorError; the state before is back then, or the message names the folder in which it is.
    """
    with staged_site(archive, accept_unsigned=accept_unsigned) as (preview, staged):
        if preview.refusals:
            error = BackupError(sentences(*preview.refusals), hint="Nothing was changed.")
            raise error.needing(preview.refusals[0].option) if len(preview.refusals) == 1 else error
        replaced = keep_present(_exporting)
        done = SiteRestored(preview, replaced, [*preview.notes])
        audit.log("site.restoring", logging.WARNING, archive=archive, replaced=replaced, by=by)
        manifest = preview.manifest if preview.trusted else preview.manifest.as_untrusted()
        mark = _begin(replaced)
        try:
            # in this process: each of these steps leaves the old state or the new one
            done.notes += replace_state(manifest, _applying(staged), statements(timezone.now()))
            call_command("migrate", verbosity=0, interactive=False)
        except BaseException as error:
            raise _rolled_back(error, replaced, mark, by=by) from error
        unfinished_mark().unlink()
    done.notes += notes_after(manifest)
    audit.log("site.restored", logging.WARNING, archive=archive, replaced=replaced, by=by)
    return done


def undo_site(folder: Path, *, by: str) -> Path | None:
    """Bring back the state that an earlier restore kept in `folder`; return where the present one is kept.

    Raises OperatorError.
    """
    with _only_here():
        if running := what_runs(timezone.now()):
            raise BackupError(sentences(*running), hint="Stop it first. Nothing was changed.")
        # before anything is kept or changed
        kept_state(folder)
        replaced = keep_present(_exporting)
        mark = _begin(replaced)
        try:
            put_back(folder, _applying)
        except BaseException as error:
            raise _rolled_back(error, replaced, mark, by=by) from error
        unfinished_mark().unlink()
    audit.log("site.restore-undone", logging.WARNING, folder=folder, replaced=replaced, by=by)
    return replaced


def _begin(replaced: Path | None) -> Path | None:
    """Leave a mark, for a process that is killed; return it, or None where one of an earlier restore stays."""
    mark = unfinished_mark()
    if mark.exists():
        return None
    try:
        mark.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with create_private(mark) as file:
            file.write(os.fsencode(replaced or ""))
    except OSError as error:
        raise BackupError(
            f"{mark} cannot be written: {error.strerror}.", hint=sentences(write_hint(error, mark), "Nothing changed.")
        ) from error
    return mark


def _rolled_back(error: BaseException, replaced: Path | None, mark: Path | None, *, by: str) -> BackupError:
    """Bring back the state in `replaced`, or the empty one, and return the error that says so."""
    reason = message_of(error)
    hint = error.hint if isinstance(error, OperatorError) else ""
    audit.crashed("site.restore-failed", error, by=by)
    # a second signal must not leave half of it
    with defer_signals():
        try:
            if replaced is not None:
                put_back(replaced, _applying)
            else:
                database, _ = site_components()
                connections[ALIAS].close()
                database.clear()
            if mark is not None:
                mark.unlink()
        except Exception as failure:
            audit.crashed("site.rollback-failed", failure, by=by)
            where = f"The state before is in {replaced}." if replaced else "There was no state before."
            undo = f"Then run `manage.py restoresite --undo {replaced}`." if replaced else "Then run it again."
            return BackupError(
                sentences(reason, "Rolling back failed too, so the site may be half restored.", where),
                hint=sentences(hint, undo),
            )
    return BackupError(sentences(reason, "What it had changed was rolled back."), hint=hint)


def _exporting(folder: Path) -> ExportContext:
    return ExportContext(folder, settings.BACKUP_LOCK_TIMEOUT, lambda _: None)


def _applying(folder: Path) -> ApplyContext:
    return ApplyContext(folder, settings.BACKUP_LOCK_TIMEOUT, lambda _: None)
