"""Errors that a store answers with, as an operator reads them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from django.utils import timezone

from destinations.exceptions import (
    ConnectionLost,
    DestinationError,
    DestinationFull,
    DestinationUnavailable,
    NameTaken,
    VerificationFailed,
)
from destinations.lib.formats import human_duration
from destinations.network.retry_after import retry_after

PASSING = frozenset(
    {"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "Throttling", "ThrottlingException"}
    | {"TooManyRequests", "RequestLimitExceeded", "OperationAborted", "ConditionalRequestConflict", "ServerBusy"}
)
DAMAGED = frozenset({"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"})
FULL = frozenset(
    {"QuotaExceeded", "QuotaExceededException", "XMinioStorageFull", "InsufficientCapacity", "StorageFull"}
    | {"XMinioAdminBucketQuotaExceeded", "StorageQuotaExceeded", "EntityTooLarge"}
)
_KEYS = "Check access_key, secret_key and security_token, or the role of this machine."
# what was answered, and what to do
_REFUSALS = {
    "NoSuchBucket": ("there is no such bucket", "Check bucket_name, region_name and endpoint_url."),
    "InvalidAccessKeyId": ("the access key is not known there", _KEYS),
    "SignatureDoesNotMatch": (
        "the secret key does not fit the access key",
        "Enter secret_key again; a compatible store may need another region_name or signature_version.",
    ),
    "ExpiredToken": ("the security token has expired", "Enter new temporary keys, or use the role of this machine."),
    "InvalidToken": ("the security token is not valid", _KEYS),
    "AuthorizationHeaderMalformed": ("the bucket is in another region", "Check region_name."),
    "PermanentRedirect": ("the bucket is in another region or at another endpoint", "Check region_name."),
    "IllegalLocationConstraintException": ("the bucket is in another region", "Check region_name."),
    "InvalidBucketName": ("that is not the name of a bucket", "Check bucket_name."),
    "InvalidStorageClass": ("the storage class is not known there", "Check storage_class."),
    "InvalidObjectState": (
        "the file is in an archive tier that answers only after hours",
        "Retrieve it by the console of the store, and take the rule that moves archives there away.",
    ),
    "NotImplemented": (
        "the store does not know this request",
        "See whether the store knows what the options ask for: checksum, storage_class, encryption, locks.",
    ),
    "ObjectLockConfigurationNotFoundError": (
        "the bucket has no object lock",
        "Make a bucket with object lock, or leave lock_days blank.",
    ),
    "InvalidRetentionPeriod": ("the store refuses so long a lock", "Choose fewer lock_days."),
}
_RIGHTS = {
    "HeadObject": "s3:GetObject and s3:ListBucket",
    "GetObject": "s3:GetObject",
    "HeadBucket": "s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "ListObjectVersions": "s3:ListBucketVersions",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "PutObject": "s3:PutObject, and s3:PutObjectRetention where it is locked",
    "CopyObject": "s3:GetObjectVersion and s3:PutObject",
    "UploadPartCopy": "s3:GetObjectVersion and s3:PutObject",
    "PutObjectRetention": "s3:PutObjectRetention",
    "GetObjectRetention": "s3:GetObjectRetention",
    "ListParts": "s3:ListMultipartUploadParts",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "DeleteObject": "s3:DeleteObject",
    "DeleteObjectVersion": "s3:DeleteObjectVersion",
}


class S3Refused(Exception):  # noqa: N818 - named for what happened
    """The store answered the request `operation` with an error; `code` is its name, or the HTTP status as text."""

    def __init__(self, operation: str, code: str, status: int, message: str, headers: Mapping[str, str]) -> None:
        super().__init__(f"{operation}: {code} {message}")
        self.operation, self.code, self.status = operation, code, status
        self.message, self.headers = message, headers

    @property
    def is_missing(self) -> bool:
        return self.code in {"NoSuchKey", "NoSuchVersion", "NotFound", "404"}

    @property
    def is_denied(self) -> bool:
        return self.code in {"AccessDenied", "AccessDeniedByLock", "Forbidden", "403", "AllAccessDisabled"}

    @property
    def is_passing(self) -> bool:
        return self.code in PASSING or self.status in {408, 429, 500, 502, 503, 504}

    @property
    def is_damaged(self) -> bool:
        return self.code in DAMAGED or "checksum" in self.code.lower()


def explain(refused: S3Refused, action: str, where: str) -> DestinationError:
    text = f"Cannot {action} at {where}"
    if refused.is_damaged:
        return VerificationFailed(
            f"{text}: what arrived there is not what was sent ({refused.code}).",
            "Something changes the data on its way: check the network and the proxies between.",
        )
    if refused.code in FULL or refused.status == 507:
        return DestinationFull(
            f"{text}: the store has no room left ({refused.code}).",
            "Free some space there, raise the quota, or keep backups for fewer days.",
        )
    if refused.code == "RequestTimeTooSkewed":
        return DestinationUnavailable(f"{text}: {_skew(refused)}.", "Set the clock of this machine by NTP.")
    if refused.code == "PreconditionFailed" or refused.status == 412:
        return NameTaken(f"{text}: the name is in use.", "Nothing is overwritten.")
    if refused.is_passing:
        return ConnectionLost(
            f"{text}: the store is busy or has a fault ({refused.code}).",
            "The next try may succeed.",
            retry_after=retry_after(refused.headers.get("retry-after", "")),
        )
    if refused.is_denied:
        right = _RIGHTS.get(refused.operation, refused.operation)
        return DestinationUnavailable(
            f"{text}: access is denied.", f"Give the account the right {right}, and see the policy of the bucket."
        )
    reason, hint = _REFUSALS.get(refused.code, (f"the store refuses it ({refused.code}: {refused.message})", ""))
    if region := refused.headers.get("x-amz-bucket-region", ""):
        hint = hint.replace("Check region_name.", f"The region is {region}: enter it as region_name.")
    return DestinationUnavailable(f"{text}: {reason}.", hint or "See the documentation of the store for this error.")


def _skew(refused: S3Refused) -> str:
    """Name the difference of the clocks, which the store measures by the time of the request."""
    text = "the clock of this machine differs from that of the store by more than it accepts"
    try:
        theirs = parsedate_to_datetime(refused.headers["date"])
    except (KeyError, ValueError):
        return text
    if theirs.tzinfo is None:
        theirs = theirs.replace(tzinfo=UTC)
    return f"{text}: {_difference(theirs)}"


def _difference(theirs: datetime) -> str:
    seconds = round((timezone.now() - theirs).total_seconds())
    return f"it is {human_duration(abs(seconds))} {'ahead' if seconds > 0 else 'behind'}"
