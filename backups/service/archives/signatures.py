"""The signature of an archive: written beside it at its destination, verified before a restore.

It is over the BLAKE2b digest of the archive, in the minisign format, in the file NAME.minisig.
"""

import io
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from django.conf import settings
from django.db import Error as DatabaseProblem
from django.utils import timezone

from backups.archive import minisign
from backups.archive.errors import ArchiveError
from backups.archive.minisign import PublicKey, SignatureError, SigningKey
from backups.errors import BackupError
from backups.lib import audit
from backups.models import BackupCopy, BackupExecution, RestoreExecution, SigningKeyUse
from backups.service.archives.fetch import Fetched, HashingSink
from backups.service.archives.names import signature_of
from backups.service.archives.records.copies import readable_copies
from destinations.backends import Destination
from destinations.exceptions import DestinationError, NameTaken, NotFound

# a signature of minisign has about 300 bytes; one more than this is read, to be refused as too long
_MOST_BYTES = 16 * 1024
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


def site_key() -> SigningKey:
    """Return the key that signs here. Raises SigningKeyError."""
    return minisign.parse_signing_key(settings.BACKUP_SIGNING_KEY, "BACKUP_SIGNING_KEY")


def trusted_keys() -> list[PublicKey]:
    """Return the site's own public key and those of BACKUP_TRUSTED_KEYS. Raises SigningKeyError."""
    return [site_key().public_key, *(PublicKey.parse(text) for text in settings.BACKUP_TRUSTED_KEYS)]


def lost_keys() -> list[PublicKey]:
    """Return the keys that signed stored backups of this site and are neither its own nor trusted any more.

    Raises SigningKeyError.
    """
    trusted = {key.text for key in trusted_keys()}
    used = SigningKeyUse.objects.exclude(public_key__in=trusted).order_by("last_used_at")
    stored = BackupExecution.objects.stored()
    return [PublicKey.parse(use.public_key) for use in used if stored.filter(created_at__lte=use.last_used_at).exists()]


def put_signature(destination: Destination, path: str, blake2b: str, *, token: str) -> None:
    """Sign the archive at `path` with that digest (hexadecimal), replacing a signature that is there."""
    store_signature(destination, path, signature_text(path, blake2b), token=token)
    record_key_use(path)


def signature_text(path: str, blake2b: str) -> str:
    """Return the signature of the archive at `path` with that digest (hexadecimal)."""
    comment = f"timestamp:{int(timezone.now().timestamp())}\tfile:{PurePosixPath(path).name}\thashed"
    return minisign.sign_digest(bytes.fromhex(blake2b), site_key(), comment)


def record_key_use(path: str) -> None:
    """Record that the key of this site has signed the archive at `path`."""
    use = {"last_used_at": timezone.now()}
    try:
        SigningKeyUse.objects.update_or_create(public_key=site_key().public_key.text, defaults=use)
    # the archive is stored: a database that is away for a moment must not fail it; the next signature records the key
    except DatabaseProblem as error:
        audit.log("signature.key-not-recorded", logging.WARNING, file=path, error=error)


def store_signature(destination: Destination, path: str, text: str, *, token: str) -> None:
    data = text.encode()
    # destinations never overwrite; the signature of an earlier attempt at this path does not fit the archive
    for attempt in (1, 2):
        try:
            destination.put(io.BytesIO(data), signature_of(path), size=len(data), token=token)
        except NameTaken:
            if attempt == 2:
                raise
            destination.delete(signature_of(path))
        else:
            return


def delete_signature(destination: Destination, path: str) -> None:
    """Delete the signature of the archive that was at `path`, if it has one."""
    try:
        destination.delete(signature_of(path))
    except NotFound:
        return


def read_signature(destination: Destination, path: str) -> bytes | None:
    """Return the signature of the archive at `path` as it is stored; None where there is none."""
    try:
        return destination.head(signature_of(path), _MOST_BYTES + 1)
    except NotFound:
        return None


def signature_to_download(backup: BackupExecution) -> tuple[str, bytes] | None:
    """Return the file name and the text of the signature of the copy that a download takes; None where it has none.

    Raises what the destination raises when none answers.
    """
    taken = ""
    problem: DestinationError | None = None
    for copy in readable_copies(backup):
        name = PurePosixPath(copy.path).name
        # any copy of the archive that is downloaded, but not one that is packed for another encryption
        if taken and name != taken:
            continue
        try:
            with copy.destination.open() as destination:
                # a download falls back to the next copy as well
                destination.stat(copy.path)
                taken = name
                text = read_signature(destination, copy.path)
        except DestinationError as error:
            problem = problem or error
            continue
        if text is not None:
            return signature_of(name), text
    if problem is not None:
        raise problem
    return None


def read_signature_file(path: Path) -> bytes | None:
    """Return the signature beside the archive file `path`; None where there is none. Raises ArchiveError."""
    beside = path.with_name(signature_of(path.name))
    try:
        with beside.open("rb") as file:
            return file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ArchiveError(f"{beside} cannot be read: {error.strerror}.", hint="Correct its permissions.") from error


def signature_state(subject: BackupExecution | Path) -> Signature:
    """Verify the signature of an archive: that of a backup, or a file.

    An adopted archive is downloaded the first time, for its digest. Raises ArchiveError for a signature that does not
    match or is malformed, and what the destination raises.
    """
    if isinstance(subject, Path):
        text = read_signature_file(subject)
        return _read(text, subject.name, lambda: minisign.file_digest(subject))
    try:
        with subject.destination.open() as destination:
            text = read_signature(destination, subject.backup_path)
            return _read(text, subject.backup_filename, lambda: _digest_of(subject, destination))
    except DestinationError:
        for copy in readable_copies(subject):
            if copy.destination_id == subject.destination_id or not copy.blake2b:
                continue
            try:
                return _best_signature([copy], bytes.fromhex(copy.blake2b))
            except DestinationError as error:
                audit.log("signature.unread", logging.WARNING, destination=copy.destination.name, error=error.message)
        raise


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


def _digest_of(backup: BackupExecution, destination: Destination) -> bytes:
    """Return the recorded digest; of an adopted archive it is computed first, and recorded when the SHA-256 matches."""
    if not backup.archive_blake2b:
        sink = HashingSink(signed=True)
        destination.get(backup.backup_path, sink)
        if sink.sha256.hexdigest() != backup.archive_sha256:
            where = f"{backup.backup_path} at {backup.destination.name}"
            raise ArchiveError(
                f"{where} is not what was recorded: its SHA-256 differs.",
                hint="It was changed or damaged there: use another backup.",
            )
        digest = sink.blake2b.hexdigest()
        backup.transition(BackupExecution.Status.COMPLETED, archive_blake2b=digest)
        backup.copies.filter(sha256=backup.archive_sha256).update(blake2b=digest)
    return bytes.fromhex(backup.archive_blake2b)
