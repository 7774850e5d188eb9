"""Object retention: until when an object is locked, and a test that tries to delete what is locked."""

import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.utils.dateparse import parse_datetime

from destinations.backends.base.trial import LOCK_PROBE
from destinations.backends.gcs.answers import GcsRefused
from destinations.backends.remote.locks import FOREVER, PROBE_SECONDS, probe_end
from destinations.exceptions import VerificationFailed
from destinations.lib.formats import human_duration

if TYPE_CHECKING:
    from destinations.backends.gcs.bucket import Bucket


def retention(mode: str, until: datetime) -> dict[str, Any]:
    """Return the lock as the store takes it: https://cloud.google.com/storage/docs/object-lock."""
    return {"retention": {"mode": mode, "retainUntilTime": until.astimezone(UTC).isoformat(timespec="milliseconds")}}


def locked_until(about: dict[str, Any]) -> datetime | None:
    if about.get("temporaryHold") or about.get("eventBasedHold"):
        return FOREVER
    ends = [about.get("retentionExpirationTime"), (about.get("retention") or {}).get("retainUntilTime")]
    return max((moment for end in ends if end and (moment := parse_datetime(end))), default=None)


def try_lock(bucket: "Bucket", prefix: str, mode: str, where: str) -> str:
    """Store an empty file that is locked for two minutes, and try to delete its generation."""
    _remove_old_probes(bucket, prefix)
    name = f"{prefix}{LOCK_PROBE}{secrets.token_hex(8)}.bin"
    bucket.send_upload(bucket.begin_upload(name, retention(mode, probe_end()), 0), {"Content-Range": "bytes */0"})
    stored = bucket.about(name)
    if locked_until(stored) is None:
        bucket.delete(name)
        raise VerificationFailed(
            f"{where} takes a lock and keeps none.",
            "Enable object retention of the bucket.",
        )
    try:
        # without the generation a bucket with versions would keep the object, and let go of its name only
        bucket.delete(name, generation=str(stored["generation"]))
    except GcsRefused as refused:
        if not refused.is_locked:
            raise
    else:
        raise VerificationFailed(
            f"{where} deletes an object that is locked: its locks protect nothing.", "Do not rely on locks there."
        )
    return f"the store refuses to delete an object locked for {human_duration(PROBE_SECONDS)} ({mode})"


def _remove_old_probes(bucket: "Bucket", prefix: str) -> None:
    """Delete the files of earlier tests, whose locks have ended."""
    for entry in [
        entry for page in bucket.pages(prefix + LOCK_PROBE, versions="true") for entry in page.get("items", ())
    ]:
        try:
            bucket.delete(entry["name"], generation=str(entry["generation"]))
        except GcsRefused as refused:
            # still locked, or no right to delete: it is an empty file
            if not refused.is_locked and not refused.is_missing and refused.status != 403:
                raise
