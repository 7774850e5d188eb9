"""What the signatures beside an archive prove of it: each copy is asked, and the first trusted one counts."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from backups.archive import minisign
from backups.archive.errors import ArchiveError
from backups.archive.minisign import SignatureError
from backups.errors import BackupError
from backups.lib import audit
from backups.models import BackupCopy, BackupExecution, RestoreExecution
from backups.service.archives.budget import settle
from backups.service.archives.fetch import Fetched, HashingSink
from backups.service.archives.records.copies import change_copy, readable_copies
from backups.service.archives.signatures.files import read_signature, read_signature_file, site_key, trusted_keys
from destinations.backends import Destination
from destinations.exceptions import DestinationError
from destinations.models import Reading

ACCEPT_HINT = "If its origin is known, accept it without a trusted signature."


class State(StrEnum):
    SIGNED = "signed"
    FOREIGN = "foreign"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Signature:
    """The result of verifying a signature. Only one by a trusted key proves where the archive comes from."""

    state: State
    key_id: str = ""
    comment: str = ""

    def __str__(self) -> str:
        if self.state is State.SIGNED:
            signer = "this site" if self.key_id == site_key().public_key.id else "a trusted site"
            return f"signed by {signer} (key {self.key_id})"
        if self.state is State.FOREIGN:
            return f"signed with the key {self.key_id}, which is not trusted here"
        return "not signed"


@dataclass(frozen=True, slots=True)
class Accepted:
    """An archive that may be restored: `notes` for the operator, and whether a trusted key proves its origin."""

    notes: tuple[str, ...]
    trusted: bool


def signature_state(subject: BackupExecution | Path) -> Signature:
    """Verify the signature of an archive: that of a backup, or a file.

    Of a backup the archive that its row names comes first, then those of copies with another encryption. One without a
    digest, as of old imports, is downloaded for it once. Raises ArchiveError for a signature that does not match or is
    malformed, BackupError without a copy to read, and what the destinations raise when none answers.
    """
    if isinstance(subject, Path):
        text = read_signature_file(subject)
        return _read(text, subject.name, lambda: minisign.file_digest(subject))
    archives: dict[str, list[BackupCopy]] = {}
    for copy in sorted(readable_copies(subject), key=lambda copy: copy.destination_id != subject.destination_id):
        archives.setdefault(copy.sha256, []).append(copy)
    problem: DestinationError | None = None
    for copies in archives.values():
        try:
            return _best_signature(copies, _digest_of(copies))
        except DestinationError as error:
            audit.log("signature.unread", logging.WARNING, destination=copies[0].destination.name, error=error.message)
            problem = problem or error
    raise problem or BackupError(f"Backup {subject.pk} has no copy to read.", hint="See the table of copies.")


def signature_of_fetched(backup: BackupExecution, fetched: Fetched) -> Signature:
    """Verify the signature of the archive that was `fetched`. Raises as `signature_state`."""
    copy = fetched.copy
    digest = bytes.fromhex(copy.blake2b) or minisign.file_digest(fetched.path)
    return _best_signature(_of_name(backup, fetched.path.name, first=copy), digest)


def _of_name(backup: BackupExecution, name: str, *, first: BackupCopy | None = None) -> list[BackupCopy]:
    """Return the readable copies with that file name, which are the same archive: `first`, then the nearest."""
    copies = [copy for copy in readable_copies(backup) if PurePosixPath(copy.path).name == name]
    return sorted(copies, key=lambda copy: first is not None and copy.pk != first.pk)


def _best_signature(copies: Iterable[BackupCopy], digest: bytes) -> Signature:
    """Return what the signatures beside `copies` prove of the archive with that digest: the first trusted one.

    Raises ArchiveError when none is trusted and one is bad, DestinationError when no destination answers.
    """
    found: list[Signature] = []
    bad: ArchiveError | None = None
    problem: DestinationError | None = None
    for copy in copies:
        try:
            with copy.destination.open() as destination:
                text = read_signature(destination, copy.path)
            signature = _read(text, PurePosixPath(copy.path).name, lambda: digest)
        except DestinationError as error:
            problem = problem or error
        except ArchiveError as error:
            bad = bad or error
        else:
            if signature.state is State.SIGNED:
                return signature
            found.append(signature)
    if bad is not None:
        raise bad
    if problem is not None and not found:
        raise problem
    # a foreign signature says more than none
    return next((one for one in found if one.state is State.FOREIGN), Signature(State.MISSING))


def check_signature(destination: Destination, path: str, blake2b: str) -> None:
    """Raise ArchiveError when the signature beside the archive at `path` does not fit its digest (hexadecimal)."""
    _read(read_signature(destination, path), PurePosixPath(path).name, lambda: bytes.fromhex(blake2b))


def require_signature(restore: RestoreExecution, archive: Path) -> Accepted:
    """Verify the signature of the archive to restore, fetched to `archive`.

    Raises BackupError for one that is missing or foreign, unless that was accepted; ArchiveError for a bad one, always.
    """
    if restore.execution is None:
        text = read_signature_file(Path(restore.archive_file))
        signature = _read(text, archive.name, lambda: minisign.file_digest(archive))
    else:
        signature = _best_signature(_of_name(restore.execution, archive.name), minisign.file_digest(archive))
    # an undo restores a safety backup, whose checksum in the row of this site was verified already
    signed, is_undo = signature.state is State.SIGNED, restore.undo_of is not None
    if not (signed or restore.accept_unsigned or is_undo):
        raise BackupError(f"{archive.name} is {signature}.", hint=ACCEPT_HINT).needing("--accept-unsigned")
    audit.log(
        "restore.signature", restore=restore.pk, instance=restore.instance, state=signature.state.value,
        key_id=signature.key_id,
    )  # fmt: skip
    notes = () if signed else (f"Accepted: the archive is {signature}.",)
    return Accepted(notes, trusted=signed or is_undo)


def _read(text: bytes | None, name: str, digest: Callable[[], bytes]) -> Signature:
    if text is None:
        return Signature(State.MISSING)
    try:
        found = minisign.verify_digest(digest(), text, trusted_keys())
    # no error: who restores decides whether to accept it
    except minisign.UnknownSignerError as error:
        return Signature(State.FOREIGN, error.key_id)
    except SignatureError as error:
        raise ArchiveError(f"{name} is refused: {error.message}", hint=error.hint) from error
    return Signature(State.SIGNED, found.key.id, found.trusted_comment)


def _digest_of(copies: list[BackupCopy]) -> bytes:
    """Return the recorded digest of the archive of `copies`; one without is read for it, and the digest recorded."""
    if known := next((copy.blake2b for copy in copies if copy.blake2b), ""):
        return bytes.fromhex(known)
    problem: DestinationError | None = None
    for copy in copies:
        sink = HashingSink(signed=True)
        try:
            with copy.destination.open() as destination:
                settle(Reading.unlimited(copy.destination), destination.get(copy.path, sink))
        except DestinationError as error:
            problem = problem or error
            continue
        if sink.sha256.hexdigest() != copy.sha256:
            raise ArchiveError(
                f"{copy.path} at {copy.destination.name} is not what was recorded: its SHA-256 differs.",
                hint="It was changed or damaged there: use another backup.",
            )
        digest = sink.blake2b.hexdigest()
        for same in copies:
            change_copy(same, blake2b=digest)
        return bytes.fromhex(digest)
    raise problem or ValueError("no copies")
