"""What the store says of a blob. Plain Python."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from destinations.backends.remote.locks import FOREVER


@dataclass(frozen=True)
class Blob:
    """What the store says of a blob. `locked_until` is known from `Container.stat` only."""

    name: str
    size: int
    modified_at: datetime | None
    etag: str
    metadata: Mapping[str, str]
    locked_until: datetime | None
    # in a container with versions
    version: str = ""
    # of a listing of what is kept: deleted softly, or an earlier version
    is_deleted: bool = False
    is_current: bool = True
    # empty where the account has no tiers, or the listing does not say
    tier: str = ""
    lock_mode: str = ""

    @property
    def is_live(self) -> bool:
        """Whether it is what its name stands for."""
        return self.is_current and not self.is_deleted


def blob_of(found: Any) -> Blob:
    """Return the properties that the library has of a blob."""
    policy = found.immutability_policy
    until = FOREVER if found.has_legal_hold else policy and policy.expiry_time
    size, version = int(found.size or 0), str(found.version_id or "")
    is_current = not version or bool(found.is_current_version)
    return Blob(
        found.name, size, found.last_modified, str(found.etag or ""), found.metadata or {}, until, version,
        bool(found.deleted), is_current, str(getattr(found.blob_tier, "value", found.blob_tier) or ""),
        str((policy and policy.policy_mode) or "").capitalize(),
    )  # fmt: skip
