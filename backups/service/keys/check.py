"""Check regularly that the keys of this site still open the archives at each destination.

Otherwise a lost key would be found on the day of the restore.
"""

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from django.db.models import Q
from django.utils import timezone

from backups.archive import tcbk
from backups.archive.age import AgeKeyError
from backups.archive.encryption import HEAD_BYTES, EncryptionError, KeyMatch
from backups.archive.errors import ArchiveError, NotPossibleHere
from backups.archive.tar.read import read_manifest
from backups.errors import BackupError
from backups.lib import audit
from backups.models import BackupCopy, BackupExecution, KeyCheck, KeyState
from backups.runs.workspace import workspace
from backups.service.archives.due import claim_due
from backups.service.archives.fetch import fetch_nearest
from backups.service.archives.open import open_archive, recognised_encryption
from backups.service.archives.records.copies import seen_at
from backups.service.archives.untrusted import report_untrusted
from backups.service.retention.stored import with_backups
from backups.signals import keys_lost
from destinations.exceptions import DestinationError, NotFound
from destinations.lib.operator_error import sentences
from destinations.models import BackupDestination

EVERY = timedelta(days=1)
# in one tick, which has other steps: fifty destinations take fifty minutes a day
MOST_AT_ONCE = 1
# after a destination did not answer, and while keys are lost
RETRY_AFTER = timedelta(hours=1)
NOTHING = "no backup there is encrypted"
OUTCOMES = {
    KeyMatch.LOST: "cannot be opened",
    KeyMatch.OPENS: "opened",
    KeyMatch.ELSEWHERE: "not tried, for keys that are kept elsewhere",
    KeyMatch.UNDETERMINED: "not known from the head of the archive",
}
HINT = (
    "Find the key that was in use then, and add it to BACKUP_ENCRYPTION_IDENTITY_FILE or "
    "BACKUP_ENCRYPTION_OLD_PASSPHRASES."
)


@dataclass(frozen=True, slots=True)
class SampleResult:
    """Whether the keys open one sampled archive, or the reason why that is not known."""

    backup: BackupExecution
    verdict: KeyMatch
    reason: str = ""


@dataclass(frozen=True, slots=True)
class KeyReport:
    """The results of several destinations; `unreachable` is the reason of each that did not answer, by its name."""

    results: list[SampleResult]
    unreachable: dict[str, str]

    @property
    def lost(self) -> list[SampleResult]:
        return [result for result in self.results if result.verdict is KeyMatch.LOST]


def check_all(destinations: Iterable[BackupDestination], *, whole: bool = False) -> KeyReport:
    """Try the keys at each of `destinations`, as `check_keys`; one that does not answer does not stop the others."""
    report = KeyReport([], {})
    for destination in destinations:
        try:
            report.results.extend(check_keys(destination, whole=whole))
        except DestinationError as error:
            report.unreachable[destination.name] = error.message
            report_untrusted(destination, error)
    return report


def check_keys(destination: BackupDestination, *, whole: bool = False) -> list[SampleResult]:
    """Try the keys on the oldest and the newest encrypted archive at `destination`, for each key in use.

    Only the head of an archive is fetched; with `whole`, all of one whose head is not enough. Lost keys are recorded,
    logged and signalled. Raises DestinationError when the destination does not answer.
    """
    # the row of a backup has the encryption of its first copy, and this one may be packed for another
    sound = BackupCopy.objects.sound().filter(destination=destination, execution__status="completed")
    encrypted = sound.exclude(encryption="").order_by("execution__created_at", "execution")
    groups: dict[tuple[str, ...], list[str]] = {}
    # the keys that each instance uses there; those of its newest archive come last
    used: dict[str, dict[tuple[str, ...], None]] = {}
    for pk, encryption, recipients, name in encrypted.values_list(
        "pk", "encryption", "recipients", "execution__instance"
    ):
        group = (encryption, *map(str, recipients))
        groups.setdefault(group, []).append(pk)
        own = used.setdefault(name, {})
        own.pop(group, None)
        own[group] = None
    oldest_and_newest = {pk for pks in groups.values() for pk in (pks[0], pks[-1])}
    samples = with_backups(encrypted.filter(pk__in=oldest_and_newest))
    tried = {copy.pk: _try_keys(copy, whole=whole) for copy in samples}
    found = {group: {tried[pk].verdict for pk in (pks[0], pks[-1]) if pk in tried} for group, pks in groups.items()}
    results = list(tried.values())
    _record(destination, results, {name: state_of([found[group] for group in own]) for name, own in used.items()})
    return results


def state_of(by_key: list[set[KeyMatch]]) -> KeyState:
    """Return the state of an instance from what was found for each of its keys, that of its newest archive last."""
    if KeyMatch.LOST in by_key[-1]:
        return KeyState.NEWEST_LOST
    found = set[KeyMatch]().union(*by_key)
    if KeyMatch.LOST in found:
        return KeyState.OLDER_LOST
    if KeyMatch.UNDETERMINED in found or not all(by_key):
        return KeyState.UNDETERMINED
    return KeyState.ELSEWHERE if KeyMatch.ELSEWHERE in found else KeyState.OPENS


def check_due() -> list[BackupDestination]:
    """Check the destinations that are due, a few at a time; return those where keys are lost."""
    lost = []
    not_due = Q(key_check__next_at__gt=timezone.now())
    for destination in BackupDestination.objects.exclude(not_due)[:MOST_AT_ONCE]:
        now = timezone.now()
        # until the check has succeeded it is due again soon
        if not claim_due(KeyCheck, destination, now, again_at=now + RETRY_AFTER):
            continue
        try:
            if any(result.verdict is KeyMatch.LOST for result in check_keys(destination)):
                lost.append(destination)
        except DestinationError as error:
            outcome = f"it did not answer: {error.message}"
            KeyCheck.objects.filter(destination=destination).update(outcome=outcome)
            audit.log("keys.not-checked", logging.WARNING, destination=destination.name, error=error.message)
            report_untrusted(destination, error)
    return lost


def _try_keys(copy: BackupCopy, *, whole: bool) -> SampleResult:
    backup = seen_at(copy)
    try:
        with copy.destination.open() as destination:
            head = destination.head(copy.path, HEAD_BYTES)
        if tcbk.is_tcbk(head):
            # it is authenticated at its end only
            verdict = KeyMatch.UNDETERMINED
        elif (encryption := recognised_encryption(head, backup.backup_filename)) is None:
            raise ArchiveError("It is recorded as encrypted, but its head is of no known encryption.")
        else:
            verdict = encryption.match_keys(head, whole=len(head) < HEAD_BYTES)
        if verdict is KeyMatch.UNDETERMINED and whole:
            stored = BackupExecution.objects.without_manifest().get(pk=backup.pk)
            with workspace(str(uuid4())) as directory:
                fetched = fetch_nearest(stored, directory, among=lambda other: other.pk == copy.pk, within_budget=True)
                with open_archive(fetched.path, directory) as stream:
                    read_manifest(stream)
            verdict = KeyMatch.OPENS
    except NotFound:
        # the catalogue reports it as missing
        return SampleResult(backup, KeyMatch.UNDETERMINED, "it is not at the destination")
    except (EncryptionError, AgeKeyError) as error:
        return SampleResult(backup, KeyMatch.LOST, error.message)
    except (BackupError, NotPossibleHere) as error:
        # of the workspace, the download or this host, such as a full disk or too little memory: not of the keys
        return SampleResult(backup, KeyMatch.UNDETERMINED, error.message)
    except ArchiveError as error:
        return SampleResult(backup, KeyMatch.LOST, error.message)
    return SampleResult(backup, verdict)


def _record(destination: BackupDestination, results: list[SampleResult], by_instance: dict[str, str]) -> None:
    """Store the outcome. A problem is logged and signalled when it is new, and then once a day."""
    now = timezone.now()
    lost = [result for result in results if result.verdict is KeyMatch.LOST]
    names = ", ".join(result.backup.backup_filename for result in lost)
    reason = next((result.reason for result in lost if result.reason), "")
    problem = sentences(f"No key at hand opens {names} at {destination.name}", reason) if lost else ""
    before = KeyCheck.objects.filter(destination=destination).first()
    reported_at = before.told_at if before is not None and before.problem == problem else None
    report = bool(lost) and (reported_at is None or reported_at <= now - EVERY)
    counts = Counter(result.verdict for result in results)
    outcome = "; ".join(f"{counts[verdict]} {words}" for verdict, words in OUTCOMES.items() if counts[verdict])
    KeyCheck.objects.update_or_create(
        destination=destination,
        defaults={
            "next_at": now + (RETRY_AFTER if lost else EVERY),
            "checked_at": now,
            "told_at": now if report else reported_at,
            "outcome": outcome or NOTHING,
            "problem": problem,
            "hint": HINT if lost else "",
            "by_instance": by_instance,
        },
    )
    if report:
        audit.log("keys.lost", logging.ERROR, destination=destination.name, problem=problem)
        keys_lost.send_robust(sender=BackupDestination, destination=destination, message=problem)
