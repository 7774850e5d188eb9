"""The file of a signature: the keys of this site, and writing, storing, reading and deleting it.

It is over the BLAKE2b digest of the archive, in the minisign format, in the file NAME.minisig.
"""

import io
import logging
from pathlib import Path, PurePosixPath

from django.conf import settings
from django.db import Error as DatabaseProblem
from django.utils import timezone

from backups.archive import minisign
from backups.archive.errors import ArchiveError
from backups.archive.minisign import PublicKey, SigningKey
from backups.lib import audit
from backups.models import BackupExecution, SigningKeyUse
from backups.service.archives.names import signature_of
from backups.service.archives.records.copies import readable_copies
from destinations.backends import Destination
from destinations.exceptions import DestinationError, NameTaken, NotFound

# a signature of minisign has about 300 bytes; one more than this is read, to be refused as too long
_MOST_BYTES = 16 * 1024


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
