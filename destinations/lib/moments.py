"""Times that another machine or program has set."""

from datetime import UTC, datetime


def from_seconds(seconds: float) -> datetime | None:
    """Return the time of a file; None for one beyond the calendar, which file systems keep and anybody may set."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def from_iso(text: str) -> datetime | None:
    """Return the time that `text` names; None for one beyond the calendar."""
    try:
        return datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None
