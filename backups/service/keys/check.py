"""Key custody: whether the keys at hand still open what lies at the destinations.

A lost key is found on the day of the restore, unless somebody tries it before.
"""

import logging
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from django.db import IntegrityError
from django.db.models import Q
from django.utils import timezone

from backups.archive import tcbk as legacy
from backups.archive.encryption import HEAD_BYTES, Verdict
from backups.archive.errors import ArchiveError
from backups.archive.tar.read import read_manifest
from backups.errors import BackupError
from backups.lib import audit
from backups.models import BackupExecution, KeyCheck
from backups.runs.workspace import workspace
from backups.service.archives.fetch import fetch
from backups.service.archives.open import opened, recognised
from backups.signals import keys_lost
from destinations.exceptions import DestinationError, NotFound
from destinations.lib.operator_error import sentences
from destinations.models import BackupDestination

EVERY = timedelta(days=1)
# of one tick, which has other things to do: fifty destinations take fifty minutes of a day
MOST_AT_ONCE = 1
# where a destination did not answer, and until a lost key is found
AGAIN_AFTER = timedelta(hours=1)
NOTHING = "no backup there is encrypted"
OUTCOMES = {
    Verdict.LOST: "cannot be opened",
    Verdict.OPENS: "opened",
    Verdict.ELSEWHERE: "not tried, for keys that are kept elsewhere",
    Verdict.UNTOLD: "not told by their beginning",
}
HINT = (
    "find the key that was in use then, and add it to BACKUP_ENCRYPTION_IDENTITY_FILE or "
    "BACKUP_ENCRYPTION_OLD_PASSPHRASES"
)


@dataclass(frozen=True, slots=True)
class Look:
    execution: BackupExecution
    verdict: Verdict
    reason: str = ""


def check_keys(destination: BackupDestination, *, whole: bool = False) -> list[Look]:
    """Try the keys on the oldest and the newest encrypted archive that `destination` keeps, for each key in use.

    Only the beginning of an archive is fetched, with `whole` all of one whose beginning does not tell. What is lost is
    recorded, logged and signalled. Raises DestinationError when the destination does not answer.
    """
    looks = [_look(execution, whole=whole) for execution in _samples(destination)]
    _record(destination, looks)
    return looks


def check_due() -> list[BackupDestination]:
    """Check destinations that are due, a few at a time; return those where keys are lost."""
    lost = []
    waiting = Q(key_check__next_at__gt=timezone.now())
    for destination in BackupDestination.objects.exclude(waiting)[:MOST_AT_ONCE]:
        if _claim(destination, timezone.now()):
            try:
                if any(look.verdict is Verdict.LOST for look in check_keys(destination)):
                    lost.append(destination)
            except DestinationError as error:
                outcome = f"it did not answer: {error.message}"
                KeyCheck.objects.filter(destination=destination).update(outcome=outcome)
                audit.log("keys.not-checked", logging.WARNING, destination=destination.name, error=error.message)
    return lost


def _claim(destination: BackupDestination, now: datetime) -> bool:
    """Of several hosts that come to a destination at once only one checks it; a check that fails is due again soon."""
    soon = now + AGAIN_AFTER
    if KeyCheck.objects.filter(destination=destination, next_at__lte=now).update(next_at=soon):
        return True
    try:
        _, created = KeyCheck.objects.get_or_create(destination=destination, defaults={"next_at": soon})
    except IntegrityError:
        return False
    return created


def _samples(destination: BackupDestination) -> list[BackupExecution]:
    """Return the oldest and the newest archive of each group that the same keys open, by the record."""
    stored = BackupExecution.objects.stored().filter(destination=destination).exclude(encryption="")
    groups: dict[tuple[str, ...], list[str]] = {}
    for pk, encryption, recipients in stored.order_by("created_at", "pk").values_list("pk", "encryption", "recipients"):
        groups.setdefault((encryption, *map(str, recipients)), []).append(pk)
    chosen = {pk for pks in groups.values() for pk in (pks[0], pks[-1])}
    samples = stored.filter(pk__in=chosen).select_related("destination").without_manifest()
    return list(samples.order_by("created_at", "pk"))


def _look(execution: BackupExecution, *, whole: bool) -> Look:
    try:
        with execution.destination.open() as destination:
            head = destination.head(execution.backup_path, HEAD_BYTES)
        verdict = _verdict(execution, head)
        if verdict is Verdict.UNTOLD and whole:
            return _look_at_whole(execution)
    except NotFound:
        # the catalogue says so, and louder
        return Look(execution, Verdict.UNTOLD, "it is not at the destination")
    except ArchiveError as error:
        return Look(execution, Verdict.LOST, error.message)
    return Look(execution, verdict)


def _verdict(execution: BackupExecution, head: bytes) -> Verdict:
    if legacy.is_legacy(head):
        # its only proof stands at its end
        return Verdict.UNTOLD
    encryption = recognised(head, execution.backup_filename)
    if encryption is None:
        raise ArchiveError("it was recorded as encrypted, and nothing at hand knows how it begins")
    return encryption.look(head, whole=len(head) < HEAD_BYTES)


def _look_at_whole(execution: BackupExecution) -> Look:
    try:
        with workspace(str(uuid4())) as directory, opened(fetch(execution, directory), directory) as stream:
            read_manifest(stream)
    except BackupError as error:
        return Look(execution, Verdict.UNTOLD, error.message)
    return Look(execution, Verdict.OPENS)


def _record(destination: BackupDestination, looks: list[Look]) -> None:
    """Keep what was found. A problem is told when it is new, and once a day; it is looked at again each hour."""
    now = timezone.now()
    lost = [look for look in looks if look.verdict is Verdict.LOST]
    names = ", ".join(look.execution.backup_filename for look in lost)
    reason = next((look.reason for look in lost if look.reason), "")
    problem = sentences(f"No key at hand opens {names} at {destination.name}", reason) if lost else ""
    before = KeyCheck.objects.filter(destination=destination).first()
    told_at = before.told_at if before is not None and before.problem == problem else None
    tell = bool(lost) and (told_at is None or told_at <= now - EVERY)
    KeyCheck.objects.update_or_create(
        destination=destination,
        defaults={
            "next_at": now + (AGAIN_AFTER if lost else EVERY),
            "checked_at": now,
            "told_at": now if tell else told_at,
            "outcome": _outcome(looks),
            "problem": problem,
            "hint": HINT if lost else "",
        },
    )
    if tell:
        audit.log("keys.lost", logging.ERROR, destination=destination.name, problem=problem)
        keys_lost.send_robust(sender=BackupDestination, destination=destination, message=problem)


def _outcome(looks: list[Look]) -> str:
    """Return how many archives each verdict is on, such as "1 cannot be opened; 2 opened"."""
    counts = Counter(look.verdict for look in looks)
    return "; ".join(f"{counts[verdict]} {words}" for verdict, words in OUTCOMES.items() if counts[verdict]) or NOTHING
