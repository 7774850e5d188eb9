"""Compare the rows of a live database with those in a backup, by their numbers and newest times."""

from dataclasses import dataclass
from datetime import UTC, datetime

from backups.archive.manifest.document import Entry
from backups.components.sqlite import LiveTable

INTERNAL = "sqlite_"
EPOCH_SECONDS = range(946_684_800, 4_102_444_800)  # the years 2000 to 2099


@dataclass(frozen=True, slots=True)
class TableChange:
    """Rows now and in the backup, and the times of those added last.

    `gone` is how many present rows are at least not in the backup; exactly that number when `since` is the time from
    which on they were written. `back` is how many the backup has besides.
    """

    name: str
    now: int
    backup: int
    newest_now: str | None = None
    newest_backup: str | None = None
    gone: int = 0
    back: int = 0
    since: str = ""

    @property
    def difference(self) -> int:
        return self.backup - self.now


def table_changes(live: dict[str, LiveTable], entry: Entry) -> list[TableChange]:
    """Compare table by table, or the sums where the manifest, one of the TACACS+ server, counts no tables.

    Tables that were not counted for the backup are left out.
    """
    if entry.tables is None:
        total = sum(table.rows for table in live.values())
        return [_change("all tables", LiveTable(total), entry.records or 0, None)]
    newest = entry.newest or {}
    uncounted = {item.table for item in entry.not_counted}
    return [
        _change(name, live.get(name, LiveTable(0)), entry.tables.get(name, 0), newest.get(name))
        for name in dict.fromkeys([*live, *entry.tables])
        if not (name.startswith(INTERNAL) or name in uncounted)
    ]


def _change(name: str, live: LiveTable, backup: int, newest: str | None) -> TableChange:
    more = live.rows - backup
    gone, since = max(0, more), ""
    then = readable_time(newest) if newest is not None else None
    # with fewer later rows than additional ones, times do not show which rows are new
    if live.newer is not None and live.newer >= more:
        gone, since = live.newer, then or ""
    now = readable_time(live.newest) if live.newest is not None else None
    return TableChange(name, live.rows, backup, now, then, gone, gone - more, since if gone else "")


def readable_time(text: str) -> str:
    """Return a time in readable form, to the second; in UTC where it has a time zone. Other texts stay as they are."""
    if text.isdigit() and int(text) in EPOCH_SECONDS:
        return f"{datetime.fromtimestamp(int(text), UTC):%Y-%m-%d %H:%M:%S} UTC"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    if len(text) <= len("2026-11-23"):
        return text
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment.tzinfo is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
