"""SQLite files: snapshot, check, count. Plain functions on paths; a connection of its own for every call."""

from backups.components.sqlite.connection import (
    connected,
    exact_text,
    explained,
    journal_of,
    locked,
    opened,
    quoted,
    said,
    tolerate_schema,
)
from backups.components.sqlite.foreign_keys import dangling_references
from backups.components.sqlite.inspect import Facts, counts, facts
from backups.components.sqlite.integrity import Unchecked, check, described, examine, is_about_checking, reason_of
from backups.components.sqlite.live import LiveTable, live_tables
from backups.components.sqlite.snapshot import LOCK_POLL_SECONDS, deadline, snapshot
from backups.components.sqlite.untrusted.deadline import watched
from backups.components.sqlite.untrusted.limits import STORED_BYTES, limit_values, patience
from backups.components.sqlite.untrusted.read import rows
from backups.components.sqlite.untrusted.schema import not_understood

__all__ = [
    "LOCK_POLL_SECONDS",
    "STORED_BYTES",
    "Facts",
    "LiveTable",
    "Unchecked",
    "check",
    "connected",
    "counts",
    "dangling_references",
    "deadline",
    "described",
    "exact_text",
    "examine",
    "explained",
    "facts",
    "is_about_checking",
    "journal_of",
    "limit_values",
    "live_tables",
    "locked",
    "not_understood",
    "opened",
    "patience",
    "quoted",
    "reason_of",
    "rows",
    "said",
    "snapshot",
    "tolerate_schema",
    "watched",
]
