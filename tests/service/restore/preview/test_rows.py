"""Rows that a restore takes away, by their times."""

import json
import sqlite3
import threading
from pathlib import Path

import pytest

from backups.components.sqlite import live_tables
from backups.components.sqlite.inspect import count
from backups.errors import BackupError
from backups.service.restore.preview.build import preview
from backups.service.restore.preview.tables import readable_time
from tests.support.databases.sqlite_files import make_database
from tests.support.restores.component_restores import change
from tests.support.restores.previews import part
from tests.support.site_fixtures import BackUp

pytestmark = pytest.mark.django_db
LOG = (
    "INSERT INTO accounting_logs (timestamp, username, session_id, status)"
    " VALUES ('2027-01-01T10:00:0{}.000001+00:00', 'eve', 1, 'STOP')"
)


def test_a_fresh_backup_would_cost_nothing(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    shown = preview(backup, "tacacs-hq")
    assert shown.loss == "Nothing is known to be lost."
    assert [component.name for component in shown.components if component.selected] == [
        "config", "devices", "users", "accounting", "metrics", "audit",
    ]  # fmt: skip
    assert {(table.difference, table.gone) for found in shown.components for table in found.tables} == {(0, 0)}
    assert part(shown, "config").configuration == ()


def test_the_loss_is_one_sentence_with_rows_and_since_when(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    change(
        tacacs_root / "data" / "tacacs_accounting.db",
        "DROP TRIGGER IF EXISTS trg_mv_daily_insert",
        *(LOG.format(second) for second in range(5)),
    )
    shown = preview(backup, "tacacs-hq", ["accounting"])
    logs = next(table for table in part(shown, "accounting").tables if table.name == "accounting_logs")
    assert (logs.now, logs.backup, logs.difference, logs.gone) == (3005, 3000, -5, 5)
    assert logs.newest_now == "2027-01-01 10:00:04 UTC"
    assert logs.newest_backup is not None
    assert shown.loss.startswith(f"5 accounting rows written since {logs.newest_backup} ")
    assert shown.loss.endswith(" will be gone.")


def test_rows_that_come_back_are_told_from_rows_that_go(tacacs_root: Path, back_up: BackUp) -> None:
    backup = back_up()
    change(
        tacacs_root / "data" / "devices.db",
        "DELETE FROM devices WHERE id < 10",
        "INSERT INTO devices (name, network, created_at) VALUES ('new', '10.0.0.0/8', '2027-01-01 00:00:00')",
    )
    shown = preview(backup, "tacacs-hq", ["devices"])
    assert part(shown, "devices").loss == (
        "1 devices row written since 2026-11-23 01:44:40 will be gone;"
        " 9 devices rows that are not there now will be back"
    )


def test_rows_without_times_are_claimed_as_at_least_the_difference(shop: Path, back_up: BackUp) -> None:
    backup = back_up("shop")
    change(shop / "orders.db", "INSERT INTO orders (amount) VALUES (7)", "INSERT INTO orders (amount) VALUES (8)")
    assert preview(backup, "shop").loss == "At least 2 orders rows will be gone."
    change(shop / "orders.db", "DELETE FROM orders WHERE id < 6")
    shown = preview(backup, "shop")
    assert (shown.loss, part(shown, "orders").loss) == (
        "Nothing is known to be lost.",
        "3 orders rows that are not there now will be back",
    )


@pytest.mark.parametrize(
    ("stored", "since", "newer"),
    [
        (["2026-01-01 10:00:00", "2026-01-01 10:00:01", "2026-01-01 10:00:02"], "2026-01-01 10:00:00", 2),
        (["2026-01-01 10:00:00", "2026-01-02T00:00:00Z"], "2026-01-01 10:00:00", None),
        ([1_767_261_600, 1_767_261_700], "1767261600", 1),
        ([1_767_261_600, "yesterday"], "1767261600", None),
        ([5, 3, 9], "4", 1),
        ([], "2026-01-01 10:00:00", 0),
        ([7, 8], None, None),
    ],
)
def test_rows_are_newer_only_where_their_times_can_be_compared(
    tmp_path: Path, stored: list[object], since: str | None, newer: int | None
) -> None:
    path = tmp_path / "log.db"
    change(path, "CREATE TABLE log (timestamp)", *(f"INSERT INTO log VALUES ({json.dumps(value)})" for value in stored))
    found = live_tables(path, {"log": since} if since else {}, lock_timeout=1, seconds=5)
    assert (found["log"].rows, found["log"].newer) == (len(stored), newer)


def test_a_time_in_seconds_is_shown_as_a_date() -> None:
    assert readable_time("1795398282") == "2026-11-23 01:44:42 UTC"
    assert readable_time("12") == "12"
    assert readable_time("2026-11-23T01:44:40.651705") == "2026-11-23 01:44:40"
    assert readable_time("2026-11-23T01:44:40.651705+02:00") == "2026-11-22 23:44:40 UTC"
    assert readable_time("2026-11-23") == "2026-11-23"
    assert readable_time("soon") == "soon"


def test_a_database_too_large_to_count_in_time_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_database(tmp_path / "large.db")
    said = threading.Event()

    def slow(connection: sqlite3.Connection, table: str) -> int:
        said.wait(60)
        return count(connection, table)

    monkeypatch.setattr("backups.components.sqlite.live.count", slow)
    try:
        with pytest.raises(BackupError, match=r"large.db cannot be counted: it takes longer than 0 s"):
            live_tables(path, {}, lock_timeout=1, seconds=0)
    finally:
        said.set()
