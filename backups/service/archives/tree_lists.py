"""The lists of what trees hold, kept with each backup: in blocks, each sealed with the list's own key.

Names of files can be secrets. BACKUP_SECRETS_KEY seals the keys of the lists, so that rotating it is quick.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from django.db import transaction
from django.db.models import Q
from django.dispatch import receiver
from django.utils import timezone

from backups.archive.manifest.entry import Entry
from backups.components.files.listing import ListedEntry, blocks, records
from backups.errors import BackupError
from backups.models import BackupExecution, TreeList, TreeListBlock
from destinations.exceptions import DestinationConfigError
from destinations.lib.formats import counted
from destinations.lib.streams import Source
from destinations.secrets import reseal_key, seal_key, unseal_key
from destinations.signals import secrets_rotated

Progress = Callable[[int], None]
MAKE_HINT = "a dry run or a drill of this backup makes it"
KEY_HINT = f"restore the key it was sealed with to BACKUP_SECRETS_KEY; {MAKE_HINT} anew"
CHANGED_HINT = "find out who can write to the database of this site"
NONCE_BYTES = 12
# nobody writes a list for longer
LONGEST_WRITING = timedelta(days=1)


def keep(execution: BackupExecution, entry: Entry, file: Source, progress: Progress) -> None:
    """Keep the list in `file`, of the tree that `entry` holds, with its backup.

    Raises DestinationConfigError where it cannot be sealed, and what `progress` raises; nothing of it is kept then.
    """
    _sweep()
    key = ChaCha20Poly1305.generate_key()
    made = TreeList.objects.create(
        execution=execution, file=entry.file, checksum_sha256=entry.checksum_sha256, key=seal_key(key)
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


def _sweep() -> None:
    """Delete what processes that were killed or declared dead left: lists that are not whole, or of no archive."""
    unfinished = Q(blocks=None, created_at__lt=timezone.now() - LONGEST_WRITING)
    ended = Q(execution__status__in=BackupExecution.UNSUCCESSFUL)
    TreeList.objects.filter(unfinished | ended | Q(execution__deleted_at__isnull=False)).delete()


def _nonce(number: int) -> bytes:
    """Each list has a key of its own, so that the number of a block is used once."""
    return number.to_bytes(NONCE_BYTES, "big")


def has_list(execution: BackupExecution, entry: Entry) -> bool:
    """True when the list is kept and can be opened."""
    kept = _list_of(execution, entry)
    try:
        return kept is not None and bool(unseal_key(bytes(kept.key)))
    except (ValueError, DestinationConfigError):
        return False


def _list_of(execution: BackupExecution, entry: Entry) -> TreeList | None:
    """Return the newest list: it was made anew where nobody could open the one before."""
    lists = TreeList.objects.filter(
        execution=execution, file=entry.file, checksum_sha256=entry.checksum_sha256, blocks__isnull=False
    )
    return lists.order_by("-created_at", "pk").first()


def kept_entries(execution: BackupExecution, entry: Entry) -> Iterator[ListedEntry]:
    """Yield the entries of the tree that `entry` holds. Raises BackupError without a list that can be read."""
    kept = _list_of(execution, entry)
    if kept is None:
        raise BackupError(
            f"the list of what {entry.file} holds was not kept with this backup",
            hint=MAKE_HINT,
        )
    yield from records(_opened_blocks(kept))


def _opened_blocks(kept: TreeList) -> Iterator[bytes]:
    """Yield block after block, each with a query of its own: an open cursor would lock others out of SQLite."""
    try:
        cipher = ChaCha20Poly1305(unseal_key(bytes(kept.key)))
    except (ValueError, DestinationConfigError) as error:
        raise BackupError(f"the list of what {kept.file} holds cannot be opened: {error}", hint=KEY_HINT) from error
    changed = f"the list of what {kept.file} holds is not as it was written"
    for number in range(kept.blocks or 0):
        content = TreeListBlock.objects.filter(tree_list=kept, number=number).values_list("content", flat=True).first()
        if content is None:
            raise BackupError(changed, hint=CHANGED_HINT)
        try:
            yield cipher.decrypt(_nonce(number), bytes(content), kept.pk.encode())
        except InvalidTag as error:
            raise BackupError(changed, hint=CHANGED_HINT) from error


def forget_lists(execution: BackupExecution) -> None:
    """Delete the lists of an archive that is no more."""
    TreeList.objects.filter(execution=execution).delete()


@receiver(secrets_rotated, dispatch_uid="backups.service.archives.tree_lists")
def reseal_lists(**_: Any) -> None:
    """Seal the keys of all lists again under the first key; raises DestinationConfigError for those that none opens."""
    pks = list(TreeList.objects.values_list("pk", flat=True))
    unopened = sum(not _resealed(pk) for pk in pks)
    if unopened:
        raise DestinationConfigError(
            f"No key opens {counted(unopened, 'list')} of what trees of files hold.",
            "Restore the keys they were sealed with to BACKUP_SECRETS_KEY, or drill those backups: it makes new ones.",
        )


def _resealed(pk: str) -> bool:
    with transaction.atomic():
        kept = TreeList.objects.select_for_update().filter(pk=pk).first()
        if kept is None:  # deleted meanwhile
            return True
        try:
            kept.key = reseal_key(bytes(kept.key))
        except ValueError:
            return False
        kept.save(update_fields=["key"])
        return True
