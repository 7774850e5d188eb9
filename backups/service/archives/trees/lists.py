"""The entry lists of trees, kept with each backup in blocks, encrypted because names of files can be secrets.

Each list has a key of its own, encrypted under BACKUP_SECRETS_KEY, so that rotating that one is quick.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from backups.archive.manifest.entry import Entry
from backups.components.files.listing import ListedEntry, blocks, records
from backups.errors import BackupError
from backups.models import BackupExecution, TreeList, TreeListBlock
from destinations.exceptions import DestinationConfigError
from destinations.lib.formats import counted
from destinations.lib.operator_error import sentences
from destinations.lib.streams import Source
from destinations.secrets import reseal_key, seal_key, unseal_key

Progress = Callable[[int], None]
MAKE_HINT = "A dry run or a drill of this backup makes it."
KEY_HINT = (
    "Restore the key it was encrypted with to BACKUP_SECRETS_KEY; a dry run or a drill of this backup makes it again."
)
CHANGED_HINT = "Find out who can write to the database of this site."
NONCE_BYTES = 12
# no list takes longer to write
LONGEST_WRITING = timedelta(days=1)


def keep(backup: BackupExecution, entry: Entry, file: Source, progress: Progress) -> None:
    """Store the list in `file`, of the tree that `entry` holds, with its backup.

    Raises DestinationConfigError where it cannot be encrypted, and what `progress` raises; nothing is stored then.
    """
    # left by processes that were killed, or that were taken for dead and went on
    unfinished = Q(blocks=None, created_at__lt=timezone.now() - LONGEST_WRITING)
    ended = Q(execution__status__in=BackupExecution.UNSUCCESSFUL)
    TreeList.objects.filter(unfinished | ended | Q(execution__deleted_at__isnull=False)).delete()
    key = ChaCha20Poly1305.generate_key()
    made = TreeList.objects.create(
        execution=backup, file=entry.file, checksum_sha256=entry.checksum_sha256, key=seal_key(key)
    )
    cipher, number = ChaCha20Poly1305(key), 0
    try:
        for block in blocks(file):
            content = cipher.encrypt(_nonce(number), block, made.pk.encode())
            TreeListBlock.objects.create(tree_list=made, number=number, content=content)
            number += 1
            progress(0)
        TreeList.objects.filter(pk=made.pk).update(blocks=number)
    except BaseException:
        made.delete()
        raise


def _nonce(number: int) -> bytes:
    """The number of a block is used once with each key, as every list has its own."""
    return number.to_bytes(NONCE_BYTES, "big")


def has_list(backup: BackupExecution, entry: Entry) -> bool:
    """True when a list is stored and its key can be decrypted."""
    kept = _list_of(backup, entry)
    try:
        return kept is not None and bool(unseal_key(bytes(kept.key)))
    except (ValueError, DestinationConfigError):
        return False


def _list_of(backup: BackupExecution, entry: Entry) -> TreeList | None:
    """Return the newest list: another one was made where the one before could not be decrypted."""
    lists = TreeList.objects.filter(
        execution=backup, file=entry.file, checksum_sha256=entry.checksum_sha256, blocks__isnull=False
    )
    return lists.order_by("-created_at", "pk").first()


def kept_entries(backup: BackupExecution, entry: Entry) -> Iterator[ListedEntry]:
    """Yield the entries of the tree that `entry` holds. Raises BackupError when no list can be read."""
    kept = _list_of(backup, entry)
    if kept is None:
        raise BackupError(
            f"The list of what {entry.file} holds was not kept with this backup.",
            hint=MAKE_HINT,
        )
    yield from records(_opened_blocks(kept))


def _opened_blocks(kept: TreeList) -> Iterator[bytes]:
    """Yield each decrypted block."""
    try:
        cipher = ChaCha20Poly1305(unseal_key(bytes(kept.key)))
    except (ValueError, DestinationConfigError) as error:
        raise BackupError(
            sentences(f"The list of what {kept.file} holds cannot be opened: {error}"), hint=KEY_HINT
        ) from error
    changed = f"The list of what {kept.file} holds is not as it was written."
    # a query for each block: an open cursor would lock other writers out of SQLite
    for number in range(kept.blocks or 0):
        content = TreeListBlock.objects.filter(tree_list=kept, number=number).values_list("content", flat=True).first()
        if content is None:
            raise BackupError(changed, hint=CHANGED_HINT)
        try:
            yield cipher.decrypt(_nonce(number), bytes(content), kept.pk.encode())
        except InvalidTag as error:
            raise BackupError(changed, hint=CHANGED_HINT) from error


def forget_lists(backup: BackupExecution) -> None:
    """Delete the lists of an archive that was deleted."""
    TreeList.objects.filter(execution=backup).delete()


def reseal_lists(**_: Any) -> None:
    """Encrypt the keys of all lists again under the first key. Raises DestinationConfigError for those that fail."""
    unopened = 0
    for pk in list(TreeList.objects.values_list("pk", flat=True)):
        with transaction.atomic():
            kept = TreeList.objects.select_for_update().filter(pk=pk).first()
            if kept is None:  # deleted meanwhile
                continue
            try:
                kept.key = reseal_key(bytes(kept.key))
            except ValueError:
                unopened += 1
            else:
                kept.save(update_fields=["key"])
    if unopened:
        raise DestinationConfigError(
            f"No key decrypts {counted(unopened, 'list')} of what trees of files hold.",
            "Restore their encryption keys to BACKUP_SECRETS_KEY, or drill those backups: it makes new ones.",
        )
