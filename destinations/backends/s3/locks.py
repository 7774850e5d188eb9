"""Object lock: until when a file is locked, and a test that tries to delete what is locked."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from destinations.backends.base.trial import LOCK_PROBE
from destinations.backends.remote.locks import FOREVER, PROBE_SECONDS, probe_end
from destinations.backends.s3.answers import S3Refused
from destinations.backends.s3.listings import versions
from destinations.exceptions import VerificationFailed
from destinations.lib.formats import human_duration

if TYPE_CHECKING:
    from destinations.backends.s3.bucket import Bucket


def locked_until(head: Mapping[str, Any]) -> datetime | None:
    """Return the end of the lock in the answer to `head_object`; the latest moment for a legal hold, which has none."""
    if head.get("ObjectLockLegalHoldStatus") == "ON":
        return FOREVER
    until = head.get("ObjectLockRetainUntilDate")
    return until if isinstance(until, datetime) else None


def try_lock(bucket: "Bucket", prefix: str, mode: str, customer: Mapping[str, Any], where: str) -> str:
    """Store a file that is locked for two minutes, and try to delete its version in every way there is."""
    _remove_old_probes(bucket, prefix)
    key = f"{prefix}{LOCK_PROBE}{secrets.token_hex(8)}.bin"
    until = probe_end()
    stored = bucket.call(
        "put_object", Key=key, Body=b"locked", ChecksumAlgorithm="SHA256",
        ObjectLockMode=mode, ObjectLockRetainUntilDate=until, **customer,
    )  # fmt: skip
    version = stored.get("VersionId")
    if not version:
        bucket.call("delete_object", Key=key)
        raise VerificationFailed(
            f"{where} keeps no versions: what is stored there can be overwritten, whatever is locked.",
            "Make a bucket with object lock, which has versions.",
        )
    if locked_until(bucket.call("head_object", Key=key, **customer)) is None:
        raise VerificationFailed(
            f"{where} does not say until when a file is locked.",
            "Give the account the right s3:GetObjectRetention: without it a locked archive would be hidden, not kept.",
        )
    rights = True
    for bypass in ({}, {"BypassGovernanceRetention": True}):
        try:
            bucket.call("delete_object", Key=key, VersionId=version, **bypass)
        except S3Refused as refused:
            if not refused.is_denied and refused.status != 403:
                raise
            # AWS says of a lock that it protects the object, and of a right that the account is not authorized
            rights = rights and "not authorized" not in refused.message
        else:
            raise _deleted(where, by_right=bool(bypass))
    try:
        bucket.call("delete_object", Key=key)
    except S3Refused as refused:
        # an account that may only add: it stays, and is not listed
        if not refused.is_denied:
            raise
    if not rights:
        return (
            f"the account has no right to delete versions, locked for {human_duration(PROBE_SECONDS)} or not ({mode})"
        )
    return f"the store refuses to delete a version locked for {human_duration(PROBE_SECONDS)} ({mode})"


def _deleted(where: str, *, by_right: bool) -> VerificationFailed:
    if by_right:
        return VerificationFailed(
            f"{where} deletes locked files for this account, which has the right to bypass the mode GOVERNANCE.",
            "Take the right s3:BypassGovernanceRetention from the account, or choose the mode COMPLIANCE.",
        )
    return VerificationFailed(
        f"{where} deletes a version that is locked: its locks protect nothing.",
        "Do not rely on locks of this store.",
    )


def _remove_old_probes(bucket: "Bucket", prefix: str) -> None:
    """Delete the files of earlier tests, whose locks have ended."""
    for entry in list(versions(bucket, prefix + LOCK_PROBE)):
        try:
            bucket.call("delete_object", Key=entry["Key"], VersionId=entry["VersionId"])
        except S3Refused as refused:
            # still locked, or no right to delete versions: it is a file of six bytes
            if not refused.is_denied:
                raise
