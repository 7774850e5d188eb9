"""Immutability policies: until when a file is locked, and a test that tries to delete what is locked."""

import secrets
from typing import TYPE_CHECKING

from destinations.backends.azure.answers import LOCKED, AzureRefused
from destinations.backends.base.trial import LOCK_PROBE
from destinations.backends.remote.locks import PROBE_SECONDS, probe_end
from destinations.exceptions import VerificationFailed
from destinations.lib.formats import human_duration

if TYPE_CHECKING:
    from destinations.backends.azure.session import Container


def try_lock(container: "Container", prefix: str, mode: str, where: str) -> str:
    """Store a file that is locked for two minutes, and try to delete its version."""
    _remove_old_probes(container, prefix)
    name = f"{prefix}{LOCK_PROBE}{secrets.token_hex(8)}.bin"
    container.commit(name, [], {"locked_until": probe_end(), "lock_mode": mode})
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
    try:
        container.delete(name)
    except AzureRefused as refused:
        # an account that may only add: it stays, and is not listed
        if not refused.is_denied:
            raise
    return f"the store refuses to delete a version locked for {human_duration(PROBE_SECONDS)} ({mode})"


def _remove_old_probes(container: "Container", prefix: str) -> None:
    """Delete the files of earlier tests, whose locks have ended."""
    for blob in [blob for page in container.pages(prefix + LOCK_PROBE, kept=True) for blob in page]:
        try:
            container.delete(blob.name, version=blob.version)
        except AzureRefused as refused:
            # still locked, or no right to delete versions: it is an empty file
            if refused.code not in LOCKED and not refused.is_denied and not refused.is_missing:
                raise
