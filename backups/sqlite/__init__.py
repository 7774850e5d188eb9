"""SQLite files: snapshot, check, count. Plain functions on paths; a connection of its own for every call."""

from backups.sqlite.checking import Unchecked, check, described, examine, is_about_checking, reason_of
from backups.sqlite.content import Facts, counts, facts
from backups.sqlite.foreign_keys import dangling_references
from backups.sqlite.limits import STORED_BYTES, limit_values, patience
from backups.sqlite.live import LiveTable, live_tables
from backups.sqlite.opening import (
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
from backups.sqlite.reading import rows
from backups.sqlite.schema import not_understood
from backups.sqlite.snapshot import LOCK_POLL_SECONDS, deadline, snapshot
from backups.sqlite.watching import watched

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
