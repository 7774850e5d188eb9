"""Immutability policies: until when a file is locked, and a test that tries to delete what is locked."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from django.utils import timezone

from destinations.backends.azure.answers import LOCKED, AzureRefused
from destinations.backends.base import TEST_PREFIX
from destinations.exceptions import DestinationConfigError, Locked, VerificationFailed
from destinations.lib.formats import human_duration

if TYPE_CHECKING:
    from destinations.backends.azure.session import Container

PROBE = f"{TEST_PREFIX}lock-"
# of the file of a test: longer than the clocks of both sides differ in most places, and soon over
PROBE_SECONDS = 120
# a legal hold has no end
FOREVER = datetime.max.replace(tzinfo=UTC)


def require_unlocked(what: str, until: datetime | None) -> None:
    """Raise `Locked` while the file is locked."""
    if until is None or until <= timezone.now():
        return
    if until == FOREVER:
        raise Locked(f"{what} is locked by a legal hold.", "Whoever placed the hold has to end it.", until)
    raise Locked(f"{what} is locked until {until:%Y-%m-%d %H:%M} UTC.", "It can be deleted afterwards.", until)


def require_confirmed(path: str, until: datetime, options: Mapping[str, object]) -> None:
    """Raise `DestinationConfigError` for a lock that is longer than a person has confirmed."""
    most = int(str(options["lock_max_days"] or 0))
    if until > timezone.now() + timedelta(days=most):
        raise DestinationConfigError(
            f"{path} cannot be locked until {until:%Y-%m-%d}: at most {most} days are confirmed.",
            "Raise lock_max_days of the destination, or choose an earlier end.",
            "lock_max_days",
        )


def try_lock(container: "Container", prefix: str, mode: str, where: str) -> str:
    """Store a file that is locked for two minutes, and try to delete its version."""
    _remove_old_probes(container, prefix)
    name = f"{prefix}{PROBE}{secrets.token_hex(8)}.bin"
    until = timezone.now() + timedelta(seconds=PROBE_SECONDS)
    container.commit(name, [], {"locked_until": until, "lock_mode": mode})
    stored = container.stat(name)
    if stored.locked_until is None:
        container.delete(name)
        raise VerificationFailed(
            f"{where} takes a lock and keeps none.",
            "Make a container with version-level immutability.",
        )
    try:
        container.delete(name, version=stored.version)
    except AzureRefused as refused:
        if refused.code not in LOCKED:
            raise
    else:
        raise VerificationFailed(
            f"{where} deletes a version that is locked: its locks protect nothing.",
            "Do not rely on locks of this store.",
        )
    container.delete(name)
    return f"the store refuses to delete a version locked for {human_duration(PROBE_SECONDS)} ({mode})"


def _remove_old_probes(container: "Container", prefix: str) -> None:
    """Delete the files of earlier tests, whose locks have ended."""
    for blob in [blob for page in container.pages(prefix + PROBE, versions=True) for blob in page]:
        try:
            container.delete(blob.name, version=blob.version)
        except AzureRefused as refused:
            # still locked, or no right to delete versions: it is an empty file
            if refused.code not in LOCKED and not refused.is_denied and not refused.is_missing:
                raise
