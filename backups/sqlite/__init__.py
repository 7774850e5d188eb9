"""SQLite files: snapshot, check, count. Plain functions on paths; a connection of its own for every call."""

from backups.sqlite.content import Facts, check, counts, facts, quick_finding
from backups.sqlite.foreign_keys import dangling_references
from backups.sqlite.live import LiveTable, live_tables
from backups.sqlite.opening import connected, exact_text, explained, journal_of, locked, quoted, said
from backups.sqlite.snapshot import LOCK_POLL_SECONDS, deadline, snapshot

__all__ = [
    "LOCK_POLL_SECONDS",
    "Facts",
    "LiveTable",
    "check",
    "connected",
    "counts",
    "dangling_references",
    "deadline",
    "exact_text",
    "explained",
    "facts",
    "journal_of",
    "live_tables",
    "locked",
    "quick_finding",
    "quoted",
    "said",
    "snapshot",
]
