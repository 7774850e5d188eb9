"""SQLite files: snapshot, check, count. Functions on paths; every call opens its own connection."""

from backups.components.sqlite.connection import (
    component_error,
    connected,
    error_text,
    exact_text,
    journal_of,
    locked_error,
    opened,
    quoted,
    tolerate_schema,
)
from backups.components.sqlite.foreign_keys import dangling_references
from backups.components.sqlite.inspect import Facts, counts, facts
from backups.components.sqlite.integrity import Unchecked, check, examine, is_about_checking, reason_of, unchecked_notes
from backups.components.sqlite.live import LiveTable, live_tables
from backups.components.sqlite.snapshot import LOCK_POLL_SECONDS, PAGES_PER_STEP, deadline, pages_ahead, snapshot
from backups.components.sqlite.untrusted.deadline import run_with_deadline
from backups.components.sqlite.untrusted.limits import STORED_BYTES, limit_values, time_limit
from backups.components.sqlite.untrusted.read import rows
from backups.components.sqlite.untrusted.schema import not_understood

__all__ = [
    "LOCK_POLL_SECONDS",
    "PAGES_PER_STEP",
    "STORED_BYTES",
    "Facts",
    "LiveTable",
    "Unchecked",
    "check",
    "component_error",
    "connected",
    "counts",
    "dangling_references",
    "deadline",
    "error_text",
    "exact_text",
    "examine",
    "facts",
    "is_about_checking",
    "journal_of",
    "limit_values",
    "live_tables",
    "locked_error",
    "not_understood",
    "opened",
    "pages_ahead",
    "quoted",
    "reason_of",
    "rows",
    "run_with_deadline",
    "snapshot",
    "time_limit",
    "tolerate_schema",
    "unchecked_notes",
]
